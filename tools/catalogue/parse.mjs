// Reads the AsyncAPI document named by the first argument with the official parser and prints what it finds as JSON.
// Runs beside its node_modules (`make test` puts it there).
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await readFile(process.argv[2], "utf8"));
const found = diagnostics.map(({ code, message, path, severity }) => ({ code, message, path: path.join("/"), severity }));
const operations = document ? document.operations().all().length : 0;
const messages = document ? document.allMessages().all().length : 0;
console.log(JSON.stringify({ readable: Boolean(document), operations, messages, found }));
