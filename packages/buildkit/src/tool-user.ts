/** As whom a container's processes run: parts of the engine's create call. */
export interface ContainerUser {
  readonly User?: string;
  readonly GroupAdd?: string[];
}

export const ROOT = '0:0';

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Commands in the tool container, but for builds, and this process leave files to each other, so both run as the same user, who is in the
 * socket's group. As root the container's root stays. It also stays where the socket is this user's own: a rootless engine makes a
 * container's root into this user already.
 */
export function toolUser(own: FileOwner, socket: FileOwner | undefined): ContainerUser {
  if (own.uid === 0 || socket?.uid === own.uid) return {};
  return { User: `${own.uid}:${own.gid}`, ...(socket && { GroupAdd: [`${socket.gid}`] }) };
}
