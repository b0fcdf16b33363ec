# Editors save in their own ways: vim writes a backup and renames, sed -i replaces, an append goes to the end.
. "$(dirname "$0")/harness.bash"
own_folders
cd "$here"
seq 1 1000 > text && cp text "$local/text"
chmod 640 text
vim.tiny -u NONE -es -c '%s/7/seven/g' -c 'set backup' -c 'wq' text
sed 's/7/seven/g' "$local/text" | cmp - text
[ "$(stat -c %a text)" = 640 ] || fail "vim's save changed the mode"
ls -a | grep -q '\.swp$' && fail "a swap file is left"
sed -i 's/seven/7/g; 1d' text
sed 1d "$local/text" | cmp - text
vim.tiny -u NONE -es -c 'set backupcopy=yes' -c '1,10d' -c 'wq' text
sed 1,11d "$local/text" | cmp - text
echo end >> text
[ "$(tail -n 1 text)" = end ]
truncate -s 10 text && [ "$(stat -c %s text)" = 10 ]
cd /
