// The chat, with the events of the official example.
//
//   node chat.mjs URL TRANSPORTS
import assert from "node:assert/strict";
import { Client, done } from "./client.mjs";
import { Page } from "./page.mjs";

const [url, transports] = process.argv.slice(2);
const options = { transports: transports.split(",") };

const ada = await Client.connect(url, options);
const bob = await Client.connect(url, options);
ada.emit("add user", "ada");
await ada.expect("login", { numUsers: 1 });
await bob.expect("user joined", { username: "ada", numUsers: 1 });
bob.emit("add user", "bob");
await bob.expect("login", { numUsers: 2 });
await ada.expect("user joined", { username: "bob", numUsers: 2 });

// A second name is ignored; the event behind it is the next that arrives.
ada.emit("add user", "eve");
ada.emit("typing");
ada.emit("stop typing");
ada.emit("new message", "hello");
await bob.expect("typing", { username: "ada" });
await bob.expect("stop typing", { username: "ada" });
await bob.expect("new message", { username: "ada", message: "hello" });

// A message that is not a text is answered with an error, and not sent.
assert.match((await ada.ask("new message", 7)).error, /^argument 0/);

// A client without a name leaves in silence.
const nameless = await Client.connect(url, options);
nameless.close();
bob.close();
await ada.expect("user left", { username: "bob", numUsers: 1 });

// The page does the same.
const page = await fetch(url);
assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
const eve = new Page(await page.text(), url);
eve.submit("login", { name: "eve" });
await eve.shows("Welcome. Users: 2");
await ada.expect("user joined", { username: "eve", numUsers: 2 });
eve.element("text").value = "h";
eve.element("text").oninput();
await ada.expect("typing", { username: "eve" });
eve.submit("chat", { text: "hello" });
await eve.shows("eve: hello");
await ada.expect("new message", { username: "eve", message: "hello" });
await ada.expect("stop typing", { username: "eve" });
ada.emit("typing");
await eve.shows("ada is typing");
ada.emit("new message", "hi");
await eve.shows("ada: hi");
ada.close();
await eve.shows("ada left. Users: 1");
done();
