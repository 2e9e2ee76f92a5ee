#!/usr/bin/env bash
# ZIP files of 70,000 small files, by four writers of a browser's JavaScript, and how many of them nine readers find.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
npm install --silent --no-fund --no-audit --ignore-scripts jszip@3.10.2 fflate@0.8.3 client-zip@2.5.1 adm-zip@0.6.1 archiver@8.0.0 @zip.js/zip.js@2.24.0 \
  yauzl@3.4.0 unzipper@0.12.5 node-stream-zip@1.16.0 unzipit@2.1.1 >errors 2>&1 || { tail -n 3 errors; exit 1; }
for name in jszip fflate client-zip adm-zip archiver @zip.js/zip.js yauzl unzipper node-stream-zip unzipit; do
  node -p "'$name ' + JSON.parse(require('fs').readFileSync('node_modules/$name/package.json')).version"
done
python3 --version
cat >expected <<'END'
jszip: taken; its last record counts 4464
  4464: adm-zip, yauzl, unzipper, node-stream-zip, unzipit, fflate
  70000: jszip, zip.js, Python
fflate: taken; its last record counts 4464
  4464: adm-zip, yauzl, unzipper, node-stream-zip, unzipit, fflate
  70000: jszip, zip.js, Python
client-zip: taken; its last record counts 65535
  65535: adm-zip, yauzl, fflate, zip.js
  70000: Python
  refuse it: unzipper, node-stream-zip, unzipit, jszip
archiver: taken; its last record counts 65535, a record of ZIP64 70000
  70000: adm-zip, yauzl, unzipper, node-stream-zip, unzipit, fflate, jszip, zip.js, Python
END
cat >count.py <<'END'
import sys
import zipfile

print(len(zipfile.ZipFile(sys.argv[1]).namelist()))
END
cat >both.mjs <<'END'
import fs from "fs";
import { execFileSync } from "child_process";
import { createRequire } from "module";

const require = createRequire(import.meta.url);
const names = Array.from({ length: 70000 }, (_, number) => `${number}.txt`);
const together = async (stream) => {
  const parts = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
};
const writers = {
  jszip: () => {
    const zip = new (require("jszip"))();
    for (const name of names) zip.file(name, "A");
    return zip.generateAsync({ type: "nodebuffer" });
  },
  fflate: () => Buffer.from(require("fflate").zipSync(Object.fromEntries(names.map((name) => [name, new Uint8Array([65])])), { level: 0 })),
  "client-zip": async () => {
    const { downloadZip } = await import("client-zip");
    return Buffer.from(await downloadZip(names.map((name) => ({ name, input: "A" }))).arrayBuffer());
  },
  archiver: async () => {
    const { ZipArchive } = await import("archiver");
    const zip = new ZipArchive({});
    const all = together(zip);
    for (const name of names) zip.append("A", { name });
    zip.finalize();
    return all;
  },
};
const readers = {
  "adm-zip": (zip) => new (require("adm-zip"))(zip).getEntries().length,
  yauzl: (zip) =>
    new Promise((resolve, reject) =>
      require("yauzl").fromBuffer(zip, { lazyEntries: true }, (error, opened) => {
        if (error) return reject(error);
        let count = 0;
        opened.on("entry", () => (count++, opened.readEntry()));
        opened.on("end", () => resolve(count));
        opened.on("error", reject);
        opened.readEntry();
      }),
    ),
  unzipper: async (zip) => (await require("unzipper").Open.buffer(zip)).files.length,
  "node-stream-zip": async (zip, path) => {
    const opened = new (require("node-stream-zip").async)({ file: path });
    const count = Object.keys(await opened.entries()).length;
    await opened.close();
    return count;
  },
  unzipit: async (zip) => Object.keys((await (await import("unzipit")).unzip(new Uint8Array(zip))).entries).length,
  fflate: (zip) => Object.keys(require("fflate").unzipSync(zip)).length,
  jszip: async (zip) => Object.keys((await require("jszip").loadAsync(zip)).files).length,
  "zip.js": async (zip) => {
    const { ZipReader, Uint8ArrayReader } = await import("@zip.js/zip.js");
    return (await new ZipReader(new Uint8ArrayReader(new Uint8Array(zip))).getEntries()).length;
  },
  Python: (zip, path) => Number(execFileSync("python3", ["count.py", path])),
};
for (const [writer, write] of Object.entries(writers)) {
  const zip = await write();
  const path = `${writer}.zip`;
  fs.writeFileSync(path, zip);
  const end = zip.lastIndexOf("PK\x05\x06", undefined, "latin1");
  const wide = zip.lastIndexOf("PK\x06\x06", undefined, "latin1");
  console.log(`${writer}: taken; its last record counts ${zip.readUInt16LE(end + 10)}${wide < 0 ? "" : `, a record of ZIP64 ${zip.readBigUInt64LE(wide + 32)}`}`);
  const found = {};
  for (const [reader, count] of Object.entries(readers)) {
    let told;
    try {
      told = await count(zip, path);
    } catch {
      told = "refuse it";
    }
    (found[told] ??= []).push(reader);
  }
  for (const [told, by] of Object.entries(found)) console.log(`  ${told}: ${by.join(", ")}`);
}
process.exit(0);
END
node --no-warnings both.mjs >seen 2>errors || { tail -c 300 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
