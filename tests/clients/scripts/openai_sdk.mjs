// The checks of OpenAI's Node SDK, by chat completions or by responses.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import * as checks from "./checks.mjs";

const { apiKey, askForWeather, baseURL, busy, city, echo, freshSession, model, readOut, weather } = checks;

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 15_000 });

const definition = {
  name: "get_weather",
  description: "Tell the weather of a city.",
  strict: true,
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};
const person = z.object({ name: z.string(), age: z.number().int(), isHere: z.boolean() });

const chat = {
  resource: client.chat.completions,
  request: (messages, more) => ({ model, messages, ...more }),
  inStream: { stream: true, stream_options: { include_usage: true } },
  tool: { type: "function", function: definition },
  format: { response_format: zodResponseFormat(person, "person") },
  text: (answer) => answer.choices[0].message.content,
  parsed: (answer) => answer.choices[0].message.parsed,
  piece: (chunk) => chunk.choices[0]?.delta.content,
  calls: (answer) => answer.choices[0].message.tool_calls.map((call) => call.function),
  answered({ choices: [{ message }] }) {
    return [message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: weather }];
  },
  gathered: (stream) => stream.finalChatCompletion(),
  tokens: ({ usage }) => [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
};

const responses = {
  resource: client.responses,
  request: (input, more) => ({ model, input, ...more }),
  inStream: { stream: true },
  tool: { type: "function", ...definition },
  format: { text: { format: zodTextFormat(person, "person") } },
  text: (answer) => answer.output_text,
  parsed: (answer) => answer.output_parsed,
  piece: (event) => (event.type === "response.output_text.delta" ? event.delta : undefined),
  calls: (answer) => answer.output.filter((item) => item.type === "function_call"),
  answered(answer) {
    const [call] = responses.calls(answer);
    return [...answer.output, { type: "function_call_output", call_id: call.call_id, output: weather }];
  },
  gathered: (stream) => stream.finalResponse(),
  tokens({ response, ...answer }) {
    const { usage } = response ?? answer;
    return [usage.input_tokens, usage.output_tokens, usage.total_tokens];
  },
};

const wire = { chat, responses }[checks.api];
const said = (text) => [{ role: "user", content: text }];

const ask = (messages, more, options) => wire.resource.create(wire.request(messages, more), options);
const helped = (messages, more, options) =>
  wire.gathered(wire.resource.stream(wire.request(messages, more), options));

async function stream(messages, more) {
  const chunks = [];
  for await (const chunk of await ask(messages, { ...wire.inStream, ...more })) chunks.push(chunk);
  return chunks;
}

await checks.run({
  async "a whole answer"() {
    assert.equal(wire.text(await ask(said("hello"))), echo("hello"));
  },

  async "a stream"() {
    const pieces = (await stream(said("hello there"))).map(wire.piece).filter(Boolean);
    assert.equal(pieces.join(""), echo("hello there"));
    assert.ok(pieces.length > 1);
  },

  async "the stream helper"() {
    assert.equal(wire.text(await helped(said("hello there"))), echo("hello there"));
  },

  async "a session by header"() {
    const session = { headers: freshSession() };
    assert.equal(wire.text(await ask(said("hello"), {}, session)), echo("hello", 1));
    assert.equal(wire.text(await ask(said("again"), {}, session)), echo("again", 2));
    assert.equal(wire.text(await helped(said("and again"), {}, session)), echo("and again", 3));
  },

  async "a tool and its result"() {
    const tools = [wire.tool];
    for (const way of [ask, helped]) {
      const called = await way(said(askForWeather), { tools });
      const [call] = wire.calls(called);
      assert.equal(call.name, "get_weather");
      assert.deepEqual(JSON.parse(call.arguments), { city });
      const messages = [...said(askForWeather), ...wire.answered(called)];
      assert.equal(wire.text(await way(messages, { tools })), readOut);
    }
  },

  async "structured output"() {
    const answer = await wire.resource.parse(wire.request(said("Who?"), wire.format));
    assert.deepEqual(wire.parsed(answer), { name: "text", age: 1, isHere: true });
  },

  async "an unknown model"() {
    const error = await checks.thrown(ask(said("hello"), { model: "nobody/knows-it" }));
    assert.ok(error instanceof OpenAI.NotFoundError, error.stack);
    assert.deepEqual([error.code, error.param], ["model_not_found", "model"]);
  },

  async "an upstream without room"() {
    for (const way of [ask, stream, helped]) {
      const error = await checks.thrown(way(said("hello"), { model: busy }));
      assert.ok(error instanceof OpenAI.RateLimitError, error.stack);
    }
  },

  async usage() {
    assert.deepEqual(wire.tokens(await ask(said("one two three"))), [3, 7, 10]);
    assert.deepEqual(wire.tokens((await stream(said("one two three"))).at(-1)), [3, 7, 10]);
  },
});
