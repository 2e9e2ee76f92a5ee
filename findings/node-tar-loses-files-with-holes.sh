#!/usr/bin/env bash
# A file with holes, packed by GNU tar as such, in both of its forms, and unpacked by two libraries of Node.js.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
npm install --silent --no-audit --no-fund tar@7.5.23 tar-stream@3.2.2
tar --version | head -n 1
node -p '["tar", "tar-stream"].map((name) => `${name} ${JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version}`).join("\n")'
cat >unpack.cjs <<'END'
const fs = require("fs");
const tar = require("tar");
const stream = require("tar-stream");

function nameless(name) {
  return name.replace(/GNUSparseFile\.\d+/, "GNUSparseFile.N");
}

async function main(archive) {
  fs.rmSync("out", { recursive: true, force: true });
  fs.mkdirSync("out");
  let warnings = 0;
  await tar.x({ file: archive, cwd: "out", onwarn: () => (warnings += 1) });
  const files = fs.readdirSync("out", { recursive: true }).filter((name) => fs.statSync(`out/${name}`).isFile());
  const sizes = files.map((name) => `${nameless(name)} of ${fs.statSync(`out/${name}`).size} bytes`);
  console.log(`  tar: ${sizes.join(", ") || "nothing"}; ${warnings} warnings`);
  const extract = stream.extract();
  fs.createReadStream(archive).pipe(extract);
  for await (const entry of extract) {
    let n = 0;
    for await (const piece of entry) n += piece.length;
    console.log(`  tar-stream: ${nameless(entry.header.name)} of ${n} bytes, type ${entry.header.type}`);
  }
}

main(process.argv[2]);
END
truncate -s 10M image.raw
printf x | dd of=image.raw bs=1 seek=5000000 conv=notrunc status=none
cat >expected <<'END'
--format=gnu, image.raw of 10485760 bytes:
  tar: nothing; 0 warnings
  tar-stream: image.raw of 4096 bytes, type null
--format=posix, image.raw of 10485760 bytes:
  tar: GNUSparseFile.N/image.raw of 4608 bytes; 0 warnings
  tar-stream: ./GNUSparseFile.N/image.raw of 4608 bytes, type file
END
for format in gnu posix; do
  tar --format="$format" -cSf packed.tar image.raw
  echo "--format=$format, image.raw of $(stat -c %s image.raw) bytes:"
  node unpack.cjs packed.tar
done >seen
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
