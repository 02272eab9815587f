# The server's image. `npm run test:image` builds it and runs it; another base with Node 20 (the tests make one, where no
# registry can be reached) comes by --build-arg BASE.
ARG BASE=docker.io/library/node:20.20.2-bookworm-slim

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No build scripts of packages run, but for those that package.json allows.
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM ${BASE}
LABEL org.opencontainers.image.title="iwd-engine" \
      org.opencontainers.image.description="An open Intelligent Workload Distribution engine" \
      org.opencontainers.image.licenses="Apache-2.0"
# Only what runs: compiled files, packages, and the licence.
COPY --from=build /app/package.json /app/LICENSE /app/
COPY --from=build /app/node_modules /app/node_modules
COPY --from=build /app/dist /app/dist
# Everything that is written goes to /data (and /tmp): the root file system may be read-only.
RUN mkdir /data && chown 65532:65532 /data
ENV NODE_ENV=production \
    IWD_HOST=0.0.0.0 \
    IWD_DATA_DIR=/data
WORKDIR /app
USER 65532:65532
VOLUME /data
EXPOSE 4024
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.IWD_PORT ?? 4024}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--enable-source-maps", "dist/bin/server.js"]
