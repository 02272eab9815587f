// Takes one work item through its life: created, fetched, completed, deleted. Ends with 1 and the answer that was wrong.
const { URL: url, KEY: key } = process.env;
async function ask(method, path, status, body) {
  const response = await fetch(url + path, {
    method,
    headers: { 'x-api-key': key, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== status) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  console.log(method, path || '/', response.status);
  return text && JSON.parse(text);
}
const { id } = await ask('POST', '', 201, {
  captureId: `helm-test-${Date.now()}`,
  attributes: { subject: 'helm test' },
});
await ask('GET', `/${id}`, 200);
await ask('POST', `/${id}/complete`, 200, { resultCode: 'tested' });
await ask('DELETE', `/${id}`, 204);
