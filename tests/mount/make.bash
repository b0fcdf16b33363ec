# A small C++ program of several files, compiled on the mount with make -j2: the same objects and program as on the local
# disk; it runs, and is built again when a header is newer.
. "$(dirname "$0")/harness.bash"
own_folders
cd "$here"
{
  printf 'CXXFLAGS = -O1 -MMD\nOBJECTS = main.o'; printf ' part%d.o' {1..12}
  printf '\nprogram: $(OBJECTS)\n\t$(CXX) -o $@ $^\n-include *.d\n'
} > Makefile
echo '#pragma once' > parts.h
for i in {1..12}; do
  echo "int part$i();" >> parts.h
  printf '#include "parts.h"\n#include <vector>\nint part%d() { return static_cast<int>(std::vector<int>(%d).size()); }\n' $i $i > part$i.cc
done
printf '#include "parts.h"\n#include <iostream>\nint main() { std::cout << 0' > main.cc
for i in {1..12}; do printf ' + part%d()' $i; done >> main.cc
printf ' << "\\n"; }\n' >> main.cc
cp * "$local/"
export CXX=g++ CCACHE_DISABLE=1
make -s -j2
make -s -j2 -C "$local"
[ "$(ls ./*.o | wc -l)" = 13 ] || fail "make built $(ls)"
diff -r "$local" . || fail "what is built on the mount differs from what is built on the local disk"
diff -r "$local" "$M2/$name" || fail "the other mount sees another build"
[ "$("$local/program")" = 78 ] && [ "$("$M2/$name/program")" = 78 ] || fail "the program runs elsewhere only"
[ "$(./program)" = 78 ] || fail "the program computes $(./program)"
make -q || fail "make finds something to do again"
touch parts.h
! make -q || fail "make does not see that a header is newer"
rm "$local"/*.o
make -s -j2
make -s -j2 -C "$local"
[ "$(./program)" = 78 ]
diff -r "$local" . || fail "what is built again differs"
strip -o stripped program && cmp <(./stripped) <(./program)
cd /
