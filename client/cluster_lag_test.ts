import { assertEquals } from "@std/assert";
import { ClusterLag } from "./cluster_lag.ts";

Deno.test("ClusterLag says how late the latest word of the last minute came", () => {
  const lag = new ClusterLag(0);
  lag.noteMembers(2, 0);
  assertEquals(lag.seconds(0), 0);
  lag.note(50, 1000);
  lag.note(4000, 2000);
  lag.note(10, 3000);
  assertEquals(lag.seconds(29_000), 4);
  lag.note(20, 31_000);
  assertEquals(lag.seconds(32_000), 4);
  lag.note(30, 62_000);
  assertEquals(lag.seconds(62_000), 0.03);
  assertEquals(lag.seconds(200_000), 0);
});

Deno.test("ClusterLag grows while nobody is there", () => {
  const lag = new ClusterLag(1000);
  assertEquals(lag.seconds(4000), 3);
  lag.noteMembers(1, 5000);
  assertEquals(lag.seconds(5000), 0);
  lag.noteMembers(0, 10_000);
  lag.noteMembers(0, 20_000);
  assertEquals(lag.seconds(70_000), 60);
});
