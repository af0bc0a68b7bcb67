/**
 * Where what is kept between runs has its place.
 *
 * @module
 */
import { join } from "node:path";
import { environment } from "./environment_deno.ts";

/**
 * The folder for resume data and the like: what was asked for, else the system's place for a program's state. Makes
 * nothing.
 */
export function stateFolder(chosen: string | undefined): string {
  if (chosen !== undefined) return chosen;
  const { os } = Deno.build;
  if (os === "windows") return below(environment("LOCALAPPDATA"), "enjambre");
  const home = environment("HOME");
  if (os === "darwin") return below(home, "Library", "Application Support", "enjambre");
  const stateHome = environment("XDG_STATE_HOME");
  return stateHome ? join(stateHome, "enjambre") : below(home, ".local", "state", "enjambre");
}

/** A folder of the user's; where there is no user's home, as in some containers, or it may not be known, one here. */
function below(home: string | undefined, ...names: string[]): string {
  return home ? join(home, ...names) : ".enjambre";
}

/** Where an overlay node keeps its key: by address, since a key is one node's and several may share the state folder. */
export function overlayFolder(chosen: string | undefined, address: string): string {
  return join(overlayFolders(chosen), address.replace(/[^\w.-]/g, "_"));
}

/** The folder of those folders. */
export function overlayFolders(chosen: string | undefined): string {
  return join(stateFolder(chosen), "overlay");
}
