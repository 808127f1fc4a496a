// The checks of the Vercel AI SDK: with its OpenAI provider by responses, with its compatible one by chat.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import * as checks from "./checks.mjs";

const { apiKey, askForWeather, baseURL, busy, city, echo, freshSession, readOut, weather } = checks;

const provider = {
  responses: () => createOpenAI({ baseURL, apiKey }),
  chat: () =>
    createOpenAICompatible({
      name: "greenroom",
      baseURL,
      apiKey,
      includeUsage: true,
      supportsStructuredOutputs: true,
    }),
}[checks.api]();

const settings = (prompt, more) => ({ model: provider(checks.model), maxRetries: 0, prompt, ...more });
const ask = (prompt, more) => generateText(settings(prompt, more));

// The pieces of a streamed text; what goes wrong in a stream is thrown.
async function stream(prompt, more) {
  const errors = [];
  const result = streamText(settings(prompt, { onError: ({ error }) => errors.push(error), ...more }));
  const pieces = [];
  for await (const piece of result.textStream) pieces.push(piece);
  if (errors.length) throw errors[0];
  return { pieces, text: pieces.join(""), usage: await result.usage };
}

const tools = {
  get_weather: tool({
    description: "Tell the weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async (input) => {
      assert.deepEqual(input, { city });
      return weather;
    },
  }),
};
const withTools = { tools, stopWhen: stepCountIs(3) };

const counted = { inputTokens: 3, outputTokens: 7, totalTokens: 10 };

function assertCounted(usage) {
  const { inputTokens, outputTokens, totalTokens } = usage;
  assert.deepEqual({ inputTokens, outputTokens, totalTokens }, counted);
}

await checks.run({
  async "a whole answer"() {
    const answer = await ask("hello");
    assert.equal(answer.text, echo("hello"));
    assert.equal(answer.finishReason, "stop");
  },

  async "a stream"() {
    const { pieces, text } = await stream("hello there");
    assert.equal(text, echo("hello there"));
    assert.ok(pieces.length > 1);
  },

  async "several turns"() {
    const messages = [
      { role: "user", content: "hello" },
      { role: "assistant", content: echo("hello") },
      { role: "user", content: "again" },
    ];
    assert.equal((await ask(undefined, { messages })).text, echo("again", 2));
  },

  async "a session by header"() {
    const session = { headers: freshSession() };
    assert.equal((await ask("hello", session)).text, echo("hello", 1));
    assert.equal((await ask("again", session)).text, echo("again", 2));
    assert.equal((await stream("and again", session)).text, echo("and again", 3));
  },

  async "a tool and its result"() {
    assert.equal((await ask(askForWeather, withTools)).text, readOut);
  },

  async "a tool in a session"() {
    const session = { headers: freshSession() };
    assert.equal((await ask(askForWeather, { ...withTools, ...session })).text, readOut);
    assert.equal((await ask("again", session)).text, echo("again", 2));
  },

  async "a tool in a stream"() {
    assert.equal((await stream(askForWeather, withTools)).text, readOut);
  },

  async "structured output"() {
    const schema = z.object({ name: z.string(), age: z.number().int(), isHere: z.boolean() });
    const answer = await ask("Who?", { output: Output.object({ schema }) });
    assert.deepEqual(answer.output, { name: "text", age: 1, isHere: true });
  },

  async "an unknown model"() {
    const error = await checks.thrown(ask("hello", { model: provider("nobody/knows-it") }));
    assert.ok(APICallError.isInstance(error), error.stack);
    assert.equal(error.statusCode, 404);
    assert.match(error.message, /nobody\/knows-it/);
  },

  async "an upstream without room"() {
    for (const way of [ask, stream]) {
      const error = await checks.thrown(way("hello", { model: provider(busy) }));
      assert.ok(APICallError.isInstance(error), error.stack);
      assert.equal(error.statusCode, 429);
      assert.ok(error.isRetryable);
    }
  },

  async usage() {
    assertCounted((await ask("one two three")).usage);
    assertCounted((await stream("one two three")).usage);
  },
});
