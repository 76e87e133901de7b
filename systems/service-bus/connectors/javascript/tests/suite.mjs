// All tests, with the program of the bus: suite.mjs PROGRAM. Prints ok on success.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const tests = ["connector", "requests"].map((name) => fileURLToPath(new URL(`${name}.test.mjs`, import.meta.url)));
const { status, stdout, stderr } = spawnSync(process.execPath, ["--test", ...tests], {
  env: { ...process.env, SERVICE_BUS: process.argv[2] },
  encoding: "utf8",
  timeout: 110_000,
});
if (status !== 0) {
  console.error(stdout, stderr);
  process.exit(1);
}
console.log("ok");
