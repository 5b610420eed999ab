#!/usr/bin/env node
// A stand-in for the native Solidity compiler: the same compiler built to WebAssembly (npm `solc`), behind
// the part of the command line that py-solc-x uses: `--version`, and `--standard-json [FILE]` with
// `--base-path` and `--include-path`. Input comes from FILE or, as with the native one, from standard input.
"use strict";

const fs = require("fs");
const path = require("path");
const solc = require("solc");

const roots = [];
let input = null;
let standardJson = false;

const args = process.argv.slice(2);
while (args.length > 0) {
    const arg = args.shift();
    if (arg === "--version") {
        console.log("solc, the solidity compiler commandline interface");
        console.log(`Version: ${solc.version()}`);
        process.exit(0);
    } else if (arg === "--standard-json") {
        standardJson = true;
    } else if (arg === "--base-path" || arg === "--include-path") {
        roots.push(args.shift());
    } else if (arg === "--allow-paths") {
        args.shift(); // reading is limited to the roots anyway
    } else if (!arg.startsWith("--")) {
        input = arg;
    } else {
        console.error(`unrecognised option '${arg}'`);
        process.exit(1);
    }
}
if (!standardJson) {
    console.error("solcjs: only --version and --standard-json are supported");
    process.exit(1);
}
if (roots.length === 0) roots.push(".");

function readSource(name) {
    for (const root of roots) {
        const file = path.resolve(root, name);
        const inside = !path.relative(path.resolve(root), file).startsWith("..");
        if (inside && fs.existsSync(file)) return { contents: fs.readFileSync(file, "utf8") };
    }
    return { error: `File not found: ${name}` };
}

const source = fs.readFileSync(input === null ? 0 : input, "utf8");
process.stdout.write(solc.compile(source, { import: readSource }) + "\n");
