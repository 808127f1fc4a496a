// What the scripts on Node share: where the gateway is, and one line of JSON for each check, as checks.py has it.

import assert from "node:assert/strict";

export const baseURL = process.env.GREENROOM_URL;
export const apiKey = process.env.GREENROOM_KEY;
export const model = process.env.GREENROOM_MODEL;
export const api = process.env.GREENROOM_API;

// The model whose upstream has no room.
export const busy = `${model}+status-429`;

// A message to which the upstream's model answers by calling that tool, and what it says to the result.
export const city = "Tromsø";
export const weather = "snow";
export const askForWeather = JSON.stringify({ call: [["get_weather", { city }]] });
export const readOut = `get_weather said: ${weather}`;

// What the upstream's model says to a user's nth message.
export const echo = (text, nth = 1) => `${text}? That was number ${nth}.`;

export const freshSession = () => ({ "x-openclaw-session-key": `fresh-${crypto.randomUUID()}` });

export async function thrown(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
}

export async function run(checks) {
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(JSON.stringify({ name, ok: true }));
    } catch (error) {
      console.log(JSON.stringify({ name, ok: false, error: error.stack ?? String(error) }));
    }
  }
}
