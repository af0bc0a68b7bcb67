import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { asStorageError, StorageError, storageError } from "./errors.ts";

const systemError = (code: string): Error => Object.assign(new Error("os says no"), { code });

Deno.test("asStorageError() knows what systems call their troubles", () => {
  const table: [unknown, StorageError["code"]][] = [
    [systemError("ENOSPC"), "disk-full"],
    [systemError("EDQUOT"), "disk-full"],
    [systemError("EROFS"), "read-only"],
    [systemError("EACCES"), "permission"],
    [systemError("ENAMETOOLONG"), "name-too-long"],
    [systemError("EMFILE"), "too-many-open-files"],
    [systemError("EFBIG"), "too-large"],
    [systemError("EIO"), "io"],
    [new Deno.errors.NotFound("x"), "not-found"],
    [new Deno.errors.NotCapable("x"), "permission"],
    [new Deno.errors.PermissionDenied("x"), "permission"],
    [new Deno.errors.IsADirectory("x"), "is-directory"],
    [new Deno.errors.NotADirectory("x"), "not-directory"],
    ["thrown text", "io"],
    [undefined, "io"],
  ];
  for (const [cause, code] of table) {
    const error = asStorageError(cause, "write", "/d/file");
    assertInstanceOf(error, StorageError);
    assertEquals([error.code, error.path, error.name], [code, "/d/file", "StorageError"]);
    if (cause !== undefined) assertStrictEquals(error.cause, cause);
  }
});

Deno.test("asStorageError() says in one line what is wrong and what to do", () => {
  assertEquals(
    asStorageError(systemError("ENOSPC"), "write", "/d/file").message,
    "Cannot write /d/file: the disk is full; free some room",
  );
  assertEquals(
    asStorageError(systemError("EIO"), "read", "/d/file").message,
    "Cannot read /d/file: the disk reports an error: os says no",
  );
});

Deno.test("asStorageError() hands back a StorageError as it is", () => {
  const error = storageError("truncated", "read", "/d/file");
  assertStrictEquals(asStorageError(error, "write", "/d/other"), error);
});
