// A model provider that costs nothing and needs no network: it says what the tests
// tell it to. On a free port of the loopback, which it prints as its first line.
//
// The user's words since the last answer may hold a control word:
//     HANG                   the answer begins and never ends
//     TOOL:name {json}:END   the answer is that call of a tool
// Everything else is echoed, and so is what a tool gave back.

import { createServer } from "node:http";

const DOT_EVERY_MS = 2000;

const server = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => answer(request, body, response));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));

function answer(request, body, response) {
  if (request.url.endsWith("/models")) {
    return plain(response, { object: "list", data: [{ id: "echo", object: "model" }] });
  }
  if (!request.url.endsWith("/chat/completions")) {
    response.writeHead(404).end();
    return;
  }
  const { messages, stream } = JSON.parse(body);
  const said = sinceLastAnswer(messages);
  const last = messages.at(-1);
  if (last?.role === "tool") return say(response, stream, { content: `tool said: ${text(last)}` });
  // A call first: its arguments may hold the word for another session.
  const call = said.match(/TOOL:(\S+) (\{.*?\}):END/s);
  if (call) return say(response, stream, { tool_calls: [toolCall(call[1], call[2])] });
  if (said.includes("HANG")) return hang(response);
  say(response, stream, { content: `echo: ${said.slice(0, 200)}` });
}

function sinceLastAnswer(messages) {
  const from = messages.findLastIndex((one) => one.role === "assistant") + 1;
  return messages.slice(from).filter((one) => one.role === "user").map(text).join("\n");
}

function text({ content }) {
  return Array.isArray(content) ? content.map((part) => part.text ?? "").join("") : (content ?? "");
}

function toolCall(name, args) {
  return { index: 0, id: `call_${Date.now()}`, type: "function", function: { name, arguments: args } };
}

function plain(response, value) {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function say(response, stream, delta) {
  const reason = delta.tool_calls ? "tool_calls" : "stop";
  if (!stream) {
    const message = { role: "assistant", content: null, ...delta };
    return plain(response, { id: "x", object: "chat.completion", choices: [{ index: 0, message, finish_reason: reason }], usage: usage() });
  }
  open(response);
  chunk(response, { role: "assistant", ...delta });
  chunk(response, {}, reason, usage());
  response.end("data: [DONE]\n\n");
}

function hang(response) {
  open(response);
  chunk(response, { role: "assistant", content: "." });
  const dots = setInterval(() => chunk(response, { content: "." }), DOT_EVERY_MS);
  response.on("close", () => clearInterval(dots));
}

function open(response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
}

function chunk(response, delta, finish_reason = null, used = undefined) {
  const value = { id: "x", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] };
  if (used) value.usage = used;
  response.write(`data: ${JSON.stringify(value)}\n\n`);
}

function usage() {
  return { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 };
}
