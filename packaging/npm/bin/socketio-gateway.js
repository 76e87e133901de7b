#!/usr/bin/env node
// Starts the program beside this file, passes signals to it, and ends as it does.
"use strict";
const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const { join } = require("node:path");

const name = process.platform === "win32" ? "socketio-gateway.exe" : "socketio-gateway";
const child = spawn(join(__dirname, name), process.argv.slice(2), { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  console.error(`socketio-gateway: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
