# scp and sftp start ssh by a compiled-in path, with execvp: its bare name is looked for in PATH.
afterBuild() { replaceString "$out/bin/scp" /usr/bin/ssh ssh; replaceString "$out/bin/sftp" /usr/bin/ssh ssh; }
