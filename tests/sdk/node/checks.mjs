// The checks of the Node SDK: one line of JSON for each, {"name", "ok", "error"?}, in any outcome.
// GREENROOM_URL, GREENROOM_KEY and GREENROOM_MODEL say where; test_node_sdk.py starts it and asserts.

import assert from "node:assert/strict";
import OpenAI from "openai";

const model = process.env.GREENROOM_MODEL;
const settings = {
  baseURL: process.env.GREENROOM_URL,
  apiKey: process.env.GREENROOM_KEY,
  maxRetries: 0,
  timeout: 15_000,
};
const client = new OpenAI(settings);

const user = (content) => [{ role: "user", content }];
const reply = (text, nth) => `You said: "${text}" This is your ${nth} message in this session.`;
const fresh = () => `fresh-${crypto.randomUUID()}`;

const tool = (name, parameter) => ({
  type: "function",
  function: {
    name,
    description: `Tell about a ${parameter}.`,
    strict: true,
    parameters: {
      type: "object",
      properties: { [parameter]: { type: "string" } },
      required: [parameter],
      additionalProperties: false,
    },
  },
});
const tools = [tool("get_weather", "city"), tool("get_time", "zone")];
const functions = [{ type: "function", ...tool("look", "city").function }];
const both = '[call get_weather {"city": "Tromsø"}] [call get_time {"zone": "UTC"}]';

async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
}

const checks = {
  async "a whole answer"() {
    const answer = await client.chat.completions.create({ model, messages: user("hello") });
    assert.equal(answer.object, "chat.completion");
    assert.equal(answer.model, model);
    assert.equal(answer.choices.length, 1);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.choices[0].message.role, "assistant");
    assert.equal(answer.choices[0].message.content, reply("hello", "1st"));
    assert.equal(answer.usage.total_tokens, 12);
    assert.match(answer._request_id, /^req_/);
  },

  async "headers"() {
    const { data, response, request_id } = await client.chat.completions
      .create({ model, messages: user("hello") })
      .withResponse();
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.equal(response.headers.get("x-greenroom-agent"), "main");
    assert.equal(response.headers.get("x-request-id"), request_id);
  },

  async "a stream"() {
    const stream = await client.chat.completions.create({
      model,
      messages: user("hello"),
      stream: true,
    });
    const words = [];
    const reasons = [];
    for await (const chunk of stream) {
      words.push(chunk.choices[0].delta.content ?? "");
      reasons.push(chunk.choices[0].finish_reason);
      assert.ok(!("usage" in chunk));
    }
    assert.equal(words.join(""), reply("hello", "1st"));
    assert.equal(reasons.at(-1), "stop");
    assert.ok(reasons.slice(0, -1).every((reason) => reason === null));
  },

  async "usage in a stream"() {
    const stream = await client.chat.completions.create({
      model,
      messages: user("[say one two three]"),
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.equal(chunks.at(-1).usage.prompt_tokens, 4);
    assert.equal(chunks.at(-1).usage.completion_tokens, 3);
    assert.ok(chunks.slice(0, -1).every((chunk) => chunk.usage === null));
  },

  async "the stream helper"() {
    const stream = client.chat.completions.stream({
      model,
      messages: user("hello"),
      stream_options: { include_usage: true },
    });
    const words = [];
    stream.on("content", (delta) => words.push(delta));
    const final = await stream.finalChatCompletion();
    assert.equal(final.choices[0].message.role, "assistant");
    assert.equal(final.choices[0].message.content, reply("hello", "1st"));
    assert.equal(words.join(""), reply("hello", "1st"));
    assert.equal((await stream.totalUsage()).total_tokens, 12);
  },

  async "unicode"() {
    for (const text of ["👩‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿", "a\u2028b\u2029c\u0085d", 'quo"te \\u00e9', "data: [DONE]\n\ndata: {}"]) {
      const whole = await client.chat.completions.create({ model, messages: user(text) });
      assert.equal(whole.choices[0].message.content, reply(text, "1st"));
      const stream = client.chat.completions.stream({ model, messages: user(text) });
      assert.equal(await stream.finalContent(), reply(text, "1st"));
    }
  },

  async "a large prompt"() {
    const answer = await client.chat.completions.create({
      model,
      messages: user(`${"é".repeat(500_000)} [say ok]`),
    });
    assert.equal(answer.choices[0].message.content, "ok");
  },

  async "memory by user"() {
    const who = fresh();
    for (const nth of ["1st", "2nd", "3rd"]) {
      const answer = await client.chat.completions.create({
        model,
        messages: user("hello"),
        user: who,
      });
      assert.equal(answer.choices[0].message.content, reply("hello", nth));
    }
  },

  async "memory by session key"() {
    const headers = { "x-openclaw-session-key": fresh() };
    for (const nth of ["1st", "2nd"]) {
      const answer = await client.chat.completions.create(
        { model, messages: user("hello") },
        { headers },
      );
      assert.equal(answer.choices[0].message.content, reply("hello", nth));
    }
  },

  async "tools, the whole conversation"() {
    const messages = user(both);
    const first = await client.chat.completions.create({ model, messages, tools });
    assert.equal(first.choices[0].finish_reason, "tool_calls");
    const { message } = first.choices[0];
    assert.equal(message.content, null);
    assert.deepEqual(
      message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
      [
        ["get_weather", { city: "Tromsø" }],
        ["get_time", { zone: "UTC" }],
      ],
    );
    messages.push(message);
    for (const call of message.tool_calls) {
      messages.push({ role: "tool", tool_call_id: call.id, content: `of ${call.function.name}` });
    }
    const second = await client.chat.completions.create({ model, messages, tools });
    assert.equal(second.choices[0].finish_reason, "stop");
    assert.equal(second.choices[0].message.content, "get_time said: of get_time");
  },

  async "tools, the results only"() {
    const who = fresh();
    const first = await client.chat.completions.create({
      model,
      messages: user(both),
      tools,
      user: who,
    });
    const results = first.choices[0].message.tool_calls.map((call) => ({
      role: "tool",
      tool_call_id: call.id,
      content: "fine",
    }));
    const second = await client.chat.completions.create({
      model,
      messages: results,
      tools,
      user: who,
    });
    assert.equal(second.choices[0].message.content, "get_time said: fine");
  },

  async "tools in a stream"() {
    const stream = client.chat.completions.stream({ model, messages: user(both), tools });
    const done = [];
    stream.on("tool_calls.function.arguments.done", (event) => done.push(event.name));
    const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
    assert.equal(finish_reason, "tool_calls");
    assert.deepEqual(done, ["get_weather", "get_time"]);
    assert.equal(message.role, "assistant");
    assert.equal(message.tool_calls.length, 2);
    assert.ok(message.tool_calls.every((call) => call.type === "function" && call.id));
    assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { city: "Tromsø" });
  },

  ...Object.fromEntries(
    [false, true].map((stream) => [
      stream ? "runTools in a stream" : "runTools",
      async () => {
        const asked = [];
        const runner = client.chat.completions.runTools({
          model,
          stream,
          user: fresh(),
          messages: user('[call get_weather {"city": "Oslo"}]'),
          tools: [
            {
              type: "function",
              function: {
                name: "get_weather",
                description: "Tell the weather.",
                parse: JSON.parse,
                parameters: tools[0].function.parameters,
                function: ({ city }) => {
                  asked.push(city);
                  return `rain in ${city}`;
                },
              },
            },
          ],
        });
        assert.equal(await runner.finalContent(), "get_weather said: rain in Oslo");
        assert.deepEqual(asked, ["Oslo"]);
        assert.equal(runner.allChatCompletions().length, 2);
      },
    ]),
  ),

  async "a wrong key"() {
    const stranger = new OpenAI({ ...settings, apiKey: "wrong" });
    const error = await rejection(stranger.models.list());
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.status, 401);
    assert.equal(error.code, "invalid_api_key");
    assert.match(error.requestID, /^req_/);
  },

  async "an unknown agent"() {
    const error = await rejection(
      client.chat.completions.create({ model: "openclaw:nobody", messages: user("hello") }),
    );
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "model");
    assert.match(error.message, /Unknown agent 'nobody'/);
  },

  async "an unknown model"() {
    const error = await rejection(
      client.chat.completions.create({ model: "no-such-model", messages: user("hello") }),
    );
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
  },

  async "a bad temperature"() {
    for (const stream of [false, true]) {
      const error = await rejection(
        client.chat.completions.create({ model, messages: user("hello"), temperature: 3, stream }),
      );
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, "temperature");
      assert.equal(error.type, "invalid_request_error");
    }
  },

  async "a body that is too large"() {
    const error = await rejection(
      client.chat.completions.create({ model, messages: user("x".repeat(20 * 1024 * 1024)) }),
    );
    assert.equal(error.status, 413);
    assert.equal(error.code, "payload_too_large");
  },

  async "a rate limit"() {
    const error = await rejection(
      client.chat.completions.create({ model, messages: user("[fail upstream_rate_limited]") }),
    );
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, "rate_limit_exceeded");
  },

  async "an error in mid-stream"() {
    const body = { model, messages: user("[say a b c] [fail upstream_error after 2]") };
    const words = [];
    const error = await rejection(
      (async () => {
        const stream = await client.chat.completions.create({ ...body, stream: true });
        for await (const chunk of stream) words.push(chunk.choices[0].delta.content ?? "");
      })(),
    );
    assert.ok(error instanceof OpenAI.APIError);
    assert.equal(error.status, undefined);
    assert.equal(error.code, "upstream_error");
    assert.equal(words.join(""), "a b");
    const helper = await rejection(client.chat.completions.stream(body).finalContent());
    assert.equal(helper.code, "upstream_error");
  },

  async "a stream that is left early"() {
    const who = fresh();
    const stream = await client.chat.completions.create({
      model,
      messages: user("[slow 600] [say one two]"),
      stream: true,
      user: who,
    });
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content) break;
    }
    const again = await client.chat.completions.create({
      model,
      messages: user("hello"),
      user: who,
    });
    assert.equal(again.choices[0].message.content, reply("hello", "2nd"));
  },

  async "a response, and one that goes on from it"() {
    const first = await client.responses.create({ model, input: "hello" });
    assert.equal(first.output_text, reply("hello", "1st"));
    const second = await client.responses.create({
      model,
      input: "again",
      previous_response_id: first.id,
    });
    assert.equal(second.output_text, reply("again", "2nd"));
    const items = [];
    for await (const item of client.responses.inputItems.list(second.id)) items.push(item);
    assert.deepEqual(items.map((item) => item.content[0].text), ["again"]);
    await client.responses.delete(first.id);
    const error = await rejection(client.responses.retrieve(first.id));
    assert.ok(error instanceof OpenAI.NotFoundError);
  },

  async "the stream helper of responses"() {
    const request = { model, input: '[call look {"city": "Tromsø"}]', tools: functions };
    const stream = client.responses.stream(request);
    const numbers = [];
    for await (const event of stream) numbers.push(event.sequence_number);
    assert.deepEqual(numbers, [...numbers.keys()]);
    const [call] = (await stream.finalResponse()).output;
    assert.deepEqual(JSON.parse(call.arguments), { city: "Tromsø" });
  },

  async "a response in the background"() {
    const begun = await client.responses.create({
      model,
      input: "[slow 0.01] [say a b c]",
      background: true,
    });
    assert.equal(begun.status, "queued");
    let text = "";
    for await (const event of await client.responses.retrieve(begun.id, { stream: true })) {
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    assert.equal(text, "a b c");
    const error = await rejection(
      (async () => {
        const stream = await client.responses.create({ model, input: "[fail]", stream: true });
        for await (const event of stream) assert.ok(event);
      })(),
    );
    assert.equal(error.code, "upstream_error");
  },

  async "a conversation"() {
    const { id } = await client.conversations.create({ metadata: { topic: "a" } });
    await client.responses.create({ model, input: "hello", conversation: id });
    const items = [];
    for await (const item of client.conversations.items.list(id, { order: "asc" })) {
      items.push(item.content[0].text);
    }
    assert.deepEqual(items, ["hello", reply("hello", "1st")]);
    assert.equal((await client.conversations.delete(id)).deleted, true);
  },

  async "the models list"() {
    const ids = [];
    for await (const found of client.models.list()) ids.push(found.id);
    assert.deepEqual(ids, [
      "openclaw",
      "openclaw/default",
      "openclaw/main",
      "openclaw/beta",
      "scripted/demo",
      "scripted/other",
      "upstream/far",
    ]);
    assert.equal((await client.models.retrieve("openclaw/beta")).id, "openclaw/beta");
    const error = await rejection(client.models.retrieve("no-such-model"));
    assert.equal(error.code, "model_not_found");
  },
};

for (const [name, check] of Object.entries(checks)) {
  let line = { name, ok: true };
  try {
    await check();
  } catch (error) {
    line = { name, ok: false, error: String(error?.stack ?? error) };
  }
  console.log(JSON.stringify(line));
}
