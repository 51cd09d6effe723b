afterBuild() { sed -i "s|/usr/share/cowsay/cows|$out/share/cowsay/cows|g" "$out/bin/cowsay" "$out"/bin/.cowsay-wrapped*; }
