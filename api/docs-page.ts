import { createHash } from 'node:crypto';

/**
 * A page that draws `openapi.json` in the reader's browser. It loads nothing from anywhere else, and puts text into the
 * page as text only.
 */
const style = `
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem 1.5rem 4rem;color:#1c2430;background:#fff}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid #d5dbe3;text-transform:capitalize}
details{border:1px solid #d5dbe3;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}summary{cursor:pointer}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:#f4f6f9;padding:.7rem;overflow:auto;border-radius:4px}
.method{display:inline-block;min-width:3.6rem;font-weight:700}table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #e6eaf0;padding:.25rem .6rem .25rem 0;text-align:left;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#12161c;color:#dfe5ee}pre{background:#1c222b}details,h2,td,th{border-color:#333c48}}
`;

const script = `
const el=(tag,text,...children)=>{const e=document.createElement(tag);if(text)e.textContent=text;e.append(...children);return e};
const table=(head,rows)=>el('table','',el('tr','',...head.map(h=>el('th',h))),...rows.map(r=>el('tr','',...r.map(c=>el('td',c)))));
const show=value=>el('pre',JSON.stringify(value,null,2));
fetch('openapi.json').then(r=>r.json()).then(doc=>{
  const find=node=>node&&node.$ref?node.$ref.slice(2).split('/').reduce((at,key)=>at[key],doc):node;
  const main=document.querySelector('main');
  main.append(el('h1',doc.info.title+' API'),el('p',doc.info.summary+'. Send your key in the header x-api-key.'));
  const operation=(path,method,op)=>{
    const head=el('summary','',Object.assign(el('span',method.toUpperCase()),{className:'method'}),el('code',path),' \\u2014 '+op.summary);
    const box=el('details','',head,el('p','Who may: '+op['x-access']));
    const parameters=op.parameters.map(find);
    if(parameters.length)box.append(el('h4','Parameters'),table(['Name','In','Meaning'],parameters.map(p=>[p.name,p.in,p.description||''])));
    if(op.requestBody){box.append(el('h4','Body'+(op.requestBody.required?'':' (optional)')));
      for(const[type,media]of Object.entries(op.requestBody.content))box.append(el('p',type),show(media.example||find(media.schema)))}
    box.append(el('h4','Answers'));
    for(const[status,given]of Object.entries(op.responses)){const answer=find(given);box.append(el('p',status+' \\u2014 '+answer.description));
      for(const media of Object.values(answer.content||{}))if(media.example)box.append(show(media.example))}
    return box;
  };
  for(const{name}of doc.tags){main.append(el('h2',name));
    for(const[path,item]of Object.entries(doc.paths))for(const[method,op]of Object.entries(item))if(op.tags.includes(name))main.append(operation(path,method,op))}
  main.append(el('h2','problems'),table(['Code','Status','Title'],Object.values(doc.components.responses).flatMap(r=>
    Object.values(r.content['application/problem+json'].examples)).map(({value})=>[value.code,String(value.status),value.title])));
}).catch(()=>document.querySelector('main').append(el('p','openapi.json could not be read.')));
`;

export const docsPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>IWD API</title><style>${style}</style></head><body><main></main><script>${script}</script></body></html>
`;

const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Content-Security-Policy of the page: its own script and style, by their hashes, and requests to its own server. */
export const docsPolicy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
