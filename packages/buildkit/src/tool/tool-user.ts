/** The user of a container's processes: parts of the engine's create call. */
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
 * Returns the user of the tool container's commands, except those of builds. It is this process's user, because they exchange files, and
 * it is in the socket's group. If this process is root, the container's root is kept; also if the socket belongs to this user, because
 * a rootless engine already maps a container's root to this user.
 */
export function toolUser(own: FileOwner, socket: FileOwner | undefined): ContainerUser {
  if (own.uid === 0 || socket?.uid === own.uid) return {};
  return { User: `${own.uid}:${own.gid}`, ...(socket && { GroupAdd: [`${socket.gid}`] }) };
}
