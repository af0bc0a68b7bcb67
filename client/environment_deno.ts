/** An environment variable; undefined where it is not set or may not be read: nobody is asked for permission. */
export function environment(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}
