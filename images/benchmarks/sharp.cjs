// The worker's work done by sharp: one line in, a path; one line out, the cpu milliseconds it took,
// and the highest memory so far in MiB over the idle size. sharp's folder and ours for files are
// the arguments.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

const [, , sharpFolder, into] = process.argv;
const sharp = require(sharpFolder);

sharp.cache(false); // no file is worth remembering
sharp.concurrency(1); // a worker has a child per core

const SIZES = JSON.parse(process.argv[4]); // [[name, longest edge, quality]], largest first

function memory(name) {
  const line = fs.readFileSync("/proc/self/status", "utf8").match(new RegExp(`^${name}:\\s+(\\d+)`, "m"));
  return line ? Number(line[1]) / 1024 : 0;
}

async function render(source) {
  let from = sharp(source, { sequentialRead: true }).rotate();
  for (const [name, edge, quality] of SIZES) {
    const { data, info } = await from
      .resize(edge, edge, { fit: "inside", withoutEnlargement: true })
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    const raw = { raw: { width: info.width, height: info.height, channels: info.channels } };
    await sharp(data, raw).jpeg({ quality }).toFile(path.join(into, `${name}.jpg`));
    from = sharp(data, raw);
  }
}

async function main() {
  let idle = 0;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    idle = idle || memory("VmRSS");
    const before = process.cpuUsage();
    let answer;
    try {
      await render(line);
      const used = process.cpuUsage(before);
      answer = { ms: (used.user + used.system) / 1000, grown: memory("VmHWM") - idle };
    } catch (error) {
      answer = { error: String(error.message).split("\n")[0] };
    }
    console.log(JSON.stringify(answer));
  }
}

main();
