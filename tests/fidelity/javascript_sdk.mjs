// Calls every public method of the official SDK for JavaScript and prints what became of it, as JSON.
//
// node --experimental-websocket javascript_sdk.mjs FOLDER URL
//
// It needs a registry with the prompts and the agent of world.py, and a folder in which the SDK and the clients
// of OpenAI and Anthropic are installed. The flag is for Node.js before version 22, which has no WebSocket.

import assert from "node:assert";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { createRequire } from "node:module";

const [folder, url] = process.argv.slice(2);
const installed = createRequire(path.join(path.resolve(folder), "index.js"));

const NAME = { name: "Ana" };
const text = (value) => [{ type: "text", text: value }];
const CHAT = { type: "chat", messages: [{ role: "user", content: text("Hi {name}") }] };
const OUTPUT = { type: "chat", messages: [{ role: "assistant", content: text("Hello") }] };

let seen = {};

const provider = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = JSON.parse(Buffer.concat(parts).toString());
    seen = { path: request.url, ...body };
    response.setHeader("Content-Type", body.stream ? "text/event-stream" : "application/json");
    response.end(request.url.endsWith("/messages") ? anthropicAnswer(body) : openaiAnswer(body));
  });
});

function openaiAnswer(body) {
  const about = { id: "1", created: 1, model: body.model };
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  if (!body.stream) {
    const message = { role: "assistant", content: "Hello" };
    const choices = [{ index: 0, message, finish_reason: "stop" }];
    return JSON.stringify({ ...about, object: "chat.completion", choices, usage });
  }
  const chunk = { ...about, object: "chat.completion.chunk" };
  const delta = { role: "assistant", content: "Hello" };
  const chunks = [
    { ...chunk, choices: [{ index: 0, delta, finish_reason: "stop" }] },
    { ...chunk, choices: [], usage },
  ];
  return [...chunks.map((one) => JSON.stringify(one)), "[DONE]"].map((line) => `data: ${line}\n\n`).join("");
}

function anthropicAnswer(body) {
  return JSON.stringify({
    id: "1",
    type: "message",
    role: "assistant",
    model: body.model,
    content: text("Hello"),
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 },
  });
}

const logged = async (sdk) =>
  (
    await sdk.logRequest({
      provider: "openai",
      model: "gpt-4o",
      input: CHAT,
      output: OUTPUT,
      request_start_time: 1.5,
      request_end_time: 2.5,
      prompt_name: "greeting",
    })
  ).id;

const cached = (name) => async (sdk, made) => {
  const reader = made({ cacheTtlSeconds: 60 });
  const promptName = `cached by JavaScript ${name}`;
  const read = async () => (await reader.templates.get(promptName)).prompt_template.messages[0].content[0].text;
  const publish = (value) =>
    sdk.templates.publish({
      prompt_name: promptName,
      prompt_template: { type: "chat", messages: [{ role: "user", content: text(value) }] },
    });
  await publish("one");
  assert.equal(await read(), "one");
  await publish("two");
  assert.equal(await read(), "one");
  if (name === "invalidate") reader.invalidate(promptName);
  else reader.templates.invalidate(promptName);
  assert.equal(await read(), "two");
};

let skills = 0;
const skill = async (sdk) => {
  skills += 1;
  const files = [{ path: "SKILL.md", content: "# Refunds" }];
  const made = await sdk.skills.publish({ name: `by JavaScript ${skills}`, provider: "openai", files });
  return made.skill_collection.id;
};

const PROBES = {
  "templates.get": async (sdk) => {
    for (const [how, expected] of [
      [{}, "Hi Ana"],
      [{ version: 1 }, "Hello Ana"],
      [{ label: "prod" }, "Hello Ana"],
    ]) {
      const found = await sdk.templates.get("greeting", { ...how, input_variables: NAME });
      assert.equal(found.prompt_template.messages[0].content[0].text, expected);
    }
  },
  "templates.all": async (sdk) => {
    const found = await sdk.templates.all({ per_page: 100 });
    assert(found.some((one) => one.prompt_name === "greeting"));
  },
  "templates.publish": async (sdk) => {
    const found = await sdk.templates.publish({
      prompt_name: "published by JavaScript",
      prompt_template: CHAT,
      release_labels: ["prod"],
    });
    assert.equal(found.version_number, 1);
  },
  "templates.invalidate": cached("templates.invalidate"),
  invalidate: cached("invalidate"),
  run: async (sdk) => {
    const groupId = await sdk.group.create();
    const asked = { promptName: "greeting", inputVariables: NAME };
    const found = await sdk.run({ ...asked, tags: ["t"], metadata: { user: "7" }, groupId });
    assert(found.request_id);
    assert.equal(found.raw_response.choices[0].message.content, "Hello");
    const turns = found.prompt_blueprint.prompt_template.messages;
    assert.deepEqual(turns.map((turn) => turn.role), ["user", "assistant"]);
    await sdk.run({ ...asked, modelParameterOverrides: { temperature: 1 } });
    assert.equal(seen.temperature, 1);
    await sdk.run({ ...asked, provider: "openai", model: "gpt-4" });
    assert.equal(seen.model, "gpt-4");
    await sdk.run({ ...asked, provider: "anthropic", model: "claude-sonnet-4" });
    assert(seen.path.endsWith("/v1/messages"), seen.path);
    let last = null;
    for await (const piece of await sdk.run({ ...asked, stream: true })) last = piece;
    assert(last.request_id);
  },
  run_workflow: async (sdk) => {
    const asked = { workflowName: "echo-agent", inputVariables: NAME };
    for (const how of [{}, { workflowVersion: 1 }, { workflowLabelName: "prod" }]) {
      assert.equal(await sdk.runWorkflow({ ...asked, ...how }), "Hi Ana");
    }
    const all = await sdk.runWorkflow({ ...asked, returnAllOutputs: true });
    assert.equal(all.answer.status, "SUCCESS");
  },
  log_request: async (sdk) => assert((await logged(sdk)) > 0),
  "group.create": async (sdk) => assert((await sdk.group.create()) > 0),
  "track.prompt": async (sdk) => {
    const asked = { request_id: await logged(sdk), prompt_name: "greeting", prompt_input_variables: NAME };
    assert.equal(await sdk.track.prompt(asked), true);
  },
  "track.score": async (sdk) => {
    assert.equal(await sdk.track.score({ request_id: await logged(sdk), score: 90, name: "tone" }), true);
  },
  "track.metadata": async (sdk) => {
    assert.equal(await sdk.track.metadata({ request_id: await logged(sdk), metadata: { user: "7" } }), true);
  },
  "track.group": async (sdk) => {
    const group_id = await sdk.group.create();
    assert.equal(await sdk.track.group({ request_id: await logged(sdk), group_id }), true);
  },
  "skills.publish": async (sdk) => assert(await skill(sdk)),
  "skills.pull": async (sdk) => {
    assert(JSON.stringify(await sdk.skills.pull(await skill(sdk))).includes("# Refunds"));
  },
  "skills.update": async (sdk) => {
    const id = await skill(sdk);
    const fileUpdates = [{ path: "SKILL.md", content: "# Changed" }];
    const found = await sdk.skills.update(id, { fileUpdates, commitMessage: "change", releaseLabel: "prod" });
    assert(found.version);
    assert(JSON.stringify(await sdk.skills.pull(id, { label: "prod" })).includes("# Changed"));
  },
  openai: async (sdk) => {
    const OpenAI = sdk.OpenAI;
    const messages = [{ role: "user", content: "Hi" }];
    const answer = await new OpenAI().chat.completions.create({ model: "gpt-4o", messages, return_pl_id: true });
    assert.equal(answer[0].choices[0].message.content, "Hello");
    assert(answer[1] > 0);
  },
  anthropic: async (sdk) => {
    const Anthropic = sdk.Anthropic;
    const messages = [{ role: "user", content: "Hi" }];
    const asked = { model: "claude-sonnet-4", max_tokens: 9, messages, return_pl_id: true };
    const answer = await new Anthropic().messages.create(asked);
    assert.equal(answer[0].content[0].text, "Hello");
    assert(answer[1] > 0);
  },
  wrapWithSpan: async (sdk, made) => {
    const { trace } = installed("@opentelemetry/api");
    const problems = [];
    const heard = console.error;
    console.error = (...all) => problems.push(all.join(" "));
    try {
      const current = () => trace.getActiveSpan().spanContext().traceId;
      const id = await made({ enableTracing: true }).wrapWithSpan("step", current)();
      // Its exporter never says that it is done, so only the registry knows.
      let status = 404;
      for (let tries = 0; status === 404 && tries < 200; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        ({ status } = await fetch(`${url}/api/public/v2/traces/${id}`, { headers: { "X-API-KEY": "pl_test" } }));
      }
      assert.equal(status, 200);
    } finally {
      console.error = heard;
    }
    assert.deepEqual(problems, []);
  },
};

const IGNORED = new Set(["constructor", "apiKey", "baseURL", "throwOnError", "enableTracing"]);

function* methods(owner, prefix = "") {
  const names = [...Object.keys(owner), ...Object.getOwnPropertyNames(Object.getPrototypeOf(owner))];
  for (const name of new Set(names)) {
    if (name.startsWith("_") || IGNORED.has(name)) continue;
    const getter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(owner), name)?.get;
    if (getter || typeof owner[name] === "function") yield prefix + name;
    else if (owner[name] && typeof owner[name] === "object") yield* methods(owner[name], `${name}.`);
  }
}

// The names of the SDK for Python, where it has the same method.
const NAMES = { runWorkflow: "run_workflow", logRequest: "log_request", OpenAI: "openai", Anthropic: "anthropic" };

async function outcome(name, sdk, made) {
  if (!PROBES[name]) return "nothing here calls it";
  try {
    await PROBES[name](sdk, made);
    return "works";
  } catch (error) {
    return String(error).includes("does not support") ? "missing" : String(error).split("\n")[0];
  }
}

provider.listen(0, "127.0.0.1", async () => {
  const address = `http://127.0.0.1:${provider.address().port}`;
  Object.assign(process.env, {
    OPENAI_BASE_URL: `${address}/v1`,
    OPENAI_API_KEY: "sk-test",
    ANTHROPIC_BASE_URL: address,
    ANTHROPIC_API_KEY: "sk-test",
    PROMPTLAYER_BASE_URL: url,
    PROMPTLAYER_API_KEY: "pl_test",
  });
  const { PromptLayer, evaluate } = installed("promptlayer");
  const made = (options = {}) => new PromptLayer({ apiKey: "pl_test", baseURL: url, ...options });
  const sdk = made();
  const found = {};
  for (const name of methods(sdk)) {
    const known = NAMES[name] ?? name;
    found[known] = { async: await outcome(known, sdk, made) };
  }
  const about = path.join(folder, "node_modules", "promptlayer", "package.json");
  const { version, bin } = JSON.parse(fs.readFileSync(about));
  // It has neither, unlike the SDK for Python.
  if (evaluate || bin) found.evaluate = { async: "nothing here calls evaluate or the command line" };
  process.stdout.write(`${JSON.stringify({ language: "JavaScript", version, methods: found })}\n`, () => process.exit(0));
});
