/** Names of file systems by their magic number (statfs(2), <linux/magic.h>), and which to avoid. */
type Kind = 'local' | 'memory' | 'copy-on-write' | 'network' | 'layered';

const TYPES: ReadonlyMap<number, readonly [name: string, kind: Kind]> = new Map([
  [0xef53, ['ext4', 'local']],
  [0x58465342, ['xfs', 'local']],
  [0xf2f52010, ['f2fs', 'local']],
  [0x4d44, ['vfat', 'local']],
  [0x2011bab0, ['exfat', 'local']],
  [0x01021994, ['tmpfs', 'memory']],
  [0x858458f6, ['ramfs', 'memory']],
  [0x9123683e, ['btrfs', 'copy-on-write']],
  [0x2fc12fc1, ['zfs', 'copy-on-write']],
  [0xca451a4e, ['bcachefs', 'copy-on-write']],
  [0x6969, ['nfs', 'network']],
  [0xff534d42, ['cifs', 'network']],
  [0xfe534d42, ['smb2', 'network']],
  [0x00c36400, ['ceph', 'network']],
  [0x01021997, ['9p', 'network']],
  [0x65735546, ['fuse', 'layered']],
  [0x794c7630, ['overlay', 'layered']],
]);

const WARNINGS: Readonly<Record<Kind, string | undefined>> = {
  local: undefined,
  memory: 'lives in memory: nothing outlasts a power cut',
  'copy-on-write':
    'writes a new copy of every block: each flush costs more, and zeros written ahead reserve no space',
  network:
    'is on the network: a flush lasts as long as the network, and locks depend on the server',
  layered: 'lies on another file system: how durable a flush is depends on that one',
};

export function describeFileSystemType(magic: number): { type: string; warning?: string } {
  // f_type is signed where a long has 32 bits
  const known = TYPES.get(magic >>> 0);
  if (known === undefined) return { type: `0x${(magic >>> 0).toString(16)}` };
  const [type, kind] = known;
  const warning = WARNINGS[kind];
  return warning === undefined ? { type } : { type, warning: `${type} ${warning}` };
}
