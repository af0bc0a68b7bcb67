import { assertEquals } from "@std/assert";
import { DiskFile } from "./disk_file_deno.ts";
import type { FileHandles } from "./file_handles_deno.ts";
import { ReadHandle } from "./file_handles_deno.ts";
import { DownloadFolder } from "./folder_deno.ts";
import { HandlePool } from "./handle_pool.ts";
import { folderTest } from "./test_folder_test.ts";

folderTest("DiskFile reads a file that is renamed before it can be opened", async (downloads) => {
  const handles: FileHandles = new HandlePool(1);
  const content = new TextEncoder().encode("hello swarm");
  const names = { final: "t/one", part: "t/one.part" };
  const file = new DiskFile(new DownloadFolder(downloads), handles, names, {
    fileIndex: 0,
    bytes: content.length,
    isExecutable: false,
    parts: null,
  });
  await file.write(0, content);
  assertEquals([file.isPart, file.path], [true, `${downloads}/t/one.part`]);

  // The only handle is taken, so the read, which knows the file as .part, has to wait.
  const other = `${downloads}/other`;
  await Deno.writeTextFile(other, "");
  const { promise, resolve } = Promise.withResolvers<void>();
  const holding = handles.use(100, () => ReadHandle.open(other), () => promise);
  const target = new Uint8Array(content.length);
  const reading = file.readAt(0, target);
  await file.finish();
  assertEquals([file.isPart, file.path], [false, `${downloads}/t/one`]);
  resolve();
  await holding;
  assertEquals(await reading, content.length);
  assertEquals(target, content);
  handles.dropAll();
});
