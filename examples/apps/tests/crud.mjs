// The list of tasks, with the events, answers and errors of the official example.
//
//   node crud.mjs URL TRANSPORTS
import assert from "node:assert/strict";
import { Client, done } from "../../tests/client.mjs";

const [url, transports] = process.argv.slice(2);
const options = { transports: transports.split(",") };
const ada = await Client.connect(url, options);
const bob = await Client.connect(url, options);

const invalid = (...details) => ({
  error: "invalid payload",
  errorDetails: details.map(([field, message, type]) => ({ message: `"${field}" ${message}`, path: [field], type })),
});
const title = ["title", "is required", "any.required"];
const completed = ["completed", "is required", "any.required"];
const long = ["title", "length must be less than or equal to 256 characters long", "string.max"];
const todo = { title: "lorem ipsum", completed: false };
const unknown = "6edcf81e-7049-40e0-8497-9cdd52414f75";

// Nothing of this is kept or sent to others.
for (const [event, payload, answer] of [
  ["todo:create", { completed: false, description: true }, invalid(title)],
  ["todo:create", "no object", invalid(title, completed)],
  ["todo:create", { ...todo, id: unknown }, invalid(["id", "is not allowed", "any.unknown"])],
  ["todo:create", { ...todo, title: "" }, invalid(["title", "is not allowed to be empty", "string.empty"])],
  ["todo:create", { ...todo, title: "é".repeat(257) }, invalid(long)],
  [
    "todo:create",
    { title: 7, completed: "x" },
    invalid(["title", "must be a string", "string.base"], ["completed", "must be a boolean", "boolean.base"]),
  ],
  ["todo:update", todo, invalid(["id", "is required", "any.required"])],
  ["todo:update", { id: "123", completed: true }, invalid(["id", "must be a valid GUID", "string.guid"], title)],
  ["todo:update", { ...todo, id: unknown }, { error: "entity not found" }],
  ["todo:read", "123", { error: "entity not found" }],
  ["todo:read", unknown, { error: "entity not found" }],
  ["todo:delete", "123", { error: "entity not found" }],
  ["todo:delete", unknown, { error: "entity not found" }],
]) {
  assert.deepEqual(await ada.ask(event, payload), answer);
}
assert.deepEqual(await ada.ask("todo:list"), { data: [] });

const ids = [];
for (const title of ["é".repeat(256), "second"]) {
  const { data: id } = await ada.ask("todo:create", { title, completed: false, description: "not kept" });
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  await bob.expect("todo:created", { id, title, completed: false });
  ids.push(id);
}
const [first, second] = ids;
assert.deepEqual(await bob.ask("todo:read", second), { data: { id: second, title: "second", completed: false } });
const changed = { id: first, title: "first", completed: true };
assert.equal(await bob.ask("todo:update", changed), undefined);
await ada.expect("todo:updated", changed);
assert.deepEqual(await ada.ask("todo:list"), {
  data: [changed, { id: second, title: "second", completed: false }],
});
assert.equal(await ada.ask("todo:delete", first), undefined);
await bob.expect("todo:deleted", first);
assert.deepEqual(await bob.ask("todo:read", first), { error: "entity not found" });
ada.close();
bob.close();
done();
