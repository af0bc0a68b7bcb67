import { assertEquals } from "@std/assert";
import { commandsOfVariables, violationsOfDockerfile } from "./check_deploy.ts";
import { violationsOfContainers } from "./_containers.ts";

const good = `services:
  one:
    image: enjambre:0.1.0
    user: "10001:10001"
    read_only: true
    cap_drop: [ALL]
    command: [overlay, --hostname, one, "--bootstrap=two:6000"]
    volumes: ["state:/state", "./content:/data:ro"]
    ports: ["6969:6969/tcp", "6969:6969/udp"]
  two:
    image: enjambre:0.1.0
    user: "10001:10001"
    read_only: true
    cap_drop: [ALL]
    command: [tracker]
volumes:
  state:
`;

function messagesOn(text: string, kind: "compose" | "stack" = "compose"): string[] {
  return violationsOfContainers("c.yaml", text, kind).violations.map(({ message }) => message);
}

Deno.test("violationsOfContainers() passes a file in order, and finds its command lines", () => {
  const { violations, commands } = violationsOfContainers("c.yaml", good, "compose");
  assertEquals(violations, []);
  assertEquals(commands.map(({ line, args }) => [line, args[0]]), [[2, "overlay"], [
    10,
    "tracker",
  ]]);
});

const broken: [string, string, string, string[]][] = [
  ["a key that is there twice", "read_only: true", "user: 1", ["Map keys must be unique"]],
  ["a key that nothing reads", "volumes:\n  state:", "volume:\n  state:", [
    "has volume at the top, which nothing reads",
    "one names state, not among volumes",
  ]],
  ["an unknown key of a service", "read_only: true", "readonly: true", [
    "one says readonly, which a compose file has not",
    "one has a root file system that can be written to",
  ]],
  ["root", 'user: "10001:10001"', 'user: "0:0"', ["one does not run as an ordinary user"]],
  ["capabilities", "cap_drop: [ALL]", "cap_drop: [CHOWN]", ["one keeps capabilities"]],
  ["a foreign name", "--hostname, one", "--hostname, two", ["one calls itself two"]],
  ["a service that is not there", "=two:6000", "=two:6000,three:6000", [
    "one looks for three, which is no service",
  ]],
  [
    "a tracker that is not there",
    "[tracker]",
    '[tracker, "--cluster=six:1", --cluster-hostname=one]',
    [
      "two looks for six, which is no service",
      "two calls itself one",
    ],
  ],
  ["one port twice", "6969:6969/udp", "6969:7000/tcp", ["one publishes 6969/tcp, as one does"]],
  ["a command that is a text", "command: [tracker]", "command: tracker", [
    "two has no command that is a list of texts",
  ]],
  ["a number among texts", "command: [tracker]", "command: [tracker, --port, 6969]", [
    "two has no command that is a list of texts",
  ]],
];

for (const [name, was, is, expected] of broken) {
  Deno.test(`violationsOfContainers() finds ${name}`, () => {
    assertEquals(messagesOn(good.replace(was, is)), expected);
  });
}

Deno.test("violationsOfContainers() knows what a stack file has not", () => {
  const restarting = good.replace("read_only: true", "read_only: true\n    restart: always");
  assertEquals(messagesOn(restarting), []);
  assertEquals(messagesOn(restarting, "stack"), ["one says restart, which a stack file has not"]);
});

const dockerfile = `FROM debian:bookworm-slim AS build
COPY source .
FROM debian:bookworm-slim
COPY --from=build /a /a
RUN one && \\
    two
USER 10001:10001
ENTRYPOINT ["/a"]
`;

const files: [string, string, string, string[]][] = [
  ["nothing", "", "", []],
  ["root in the last stage", "USER 10001:10001\n", "", [
    "runs as root; an ordinary user by number is due",
  ]],
  ["a source that is not there", "COPY source", "COPY sauce", [
    "copies sauce; there is no such path",
  ]],
  ["a slip of the pen", "RUN", "RUNN", ["begins with RUNN, which is no instruction"]],
  ["no version", "debian:bookworm-slim AS", "debian AS", [
    "takes debian as it is on the day; name a version",
  ]],
  ["a shell", '["/a"]', "/a", ["has no ENTRYPOINT as a list; signals would go to a shell"]],
];

for (const [name, was, is, expected] of files) {
  Deno.test(`violationsOfDockerfile() finds ${name}`, () => {
    const text = dockerfile.replace(was, is);
    const found = violationsOfDockerfile("Dockerfile", text, (path) => path === "source");
    assertEquals(found.map(({ message }) => message), expected);
  });
}

Deno.test("commandsOfVariables() reads what the unit is to run", () => {
  assertEquals(commandsOfVariables("a.conf", "# x\nENJAMBRE=seed a --port 1\n"), [
    { path: "a.conf", line: 2, args: ["seed", "a", "--port", "1"] },
  ]);
});
