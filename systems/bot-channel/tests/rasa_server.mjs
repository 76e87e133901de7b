// A server with the contract of Rasa's REST channel: POST /webhooks/rest/webhook with {sender, message, metadata} and the
// answers as an array, or with ?stream=true one per line. It prints its address.
//
//   node rasa_server.mjs
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

/** The answers to a message, as Rasa's collecting output channel has them. */
function answers({ sender, message, metadata, input_channel }) {
  const button = { title: "Yes", payload: "/affirm" };
  const known = {
    "/greet": [{ text: "Hey!" }, { text: "How are you?", buttons: [button] }],
    "/picture": [{ image: "https://example.com/i.jpg" }],
    "/file": [{ attachment: { type: "file", payload: { src: "https://example.com/f" } } }],
    "/custom": [{ custom: { rating: 5 } }],
    "/silence": [],
    "/metadata": [{ text: `${metadata?.user} at ${input_channel}` }],
  };
  return (known[message] ?? [{ text: `You said ${message}` }]).map((answer) => ({ recipient_id: sender, ...answer }));
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  let text = "";
  for await (const piece of request) text += piece;
  if (request.method !== "POST" || url.pathname !== "/webhooks/rest/webhook") return response.writeHead(404).end();
  const question = JSON.parse(text);
  if (question.message === "/slow") return;
  if (question.message === "/error") return response.writeHead(500).end('{"version":"3.6","status":"failure"}');
  if (question.message === "/malformed") return response.end('[{"text":');
  if (question.message.startsWith("/load")) await pause(20);
  if (url.searchParams.get("stream") === "true") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const answer of answers(question)) response.write(`${JSON.stringify(answer)}\n`);
    return response.end();
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(answers(question)));
});
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
