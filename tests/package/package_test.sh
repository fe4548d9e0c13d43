#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs libgleaner to a fresh prefix, builds the example that comes with it with pkg-config and with CMake,
# runs each against a server, and looks at what the shared library exports.
# Usage: package_test.sh BUILD_DIR SERVER_PROGRAM
set -eu
build=$1
with_server=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" --component library > "$work/install.log"
pc=$(find "$prefix" -name gleaner.pc)
lib=$(dirname "$(dirname "$pc")")
[ -n "$pc" ] || { echo "gleaner.pc was not installed"; exit 1; }
source=$(dirname "$(find "$prefix" -name example.c)")

echo "exports: only gleaner_*"
nm -D --defined-only "$lib/libgleaner.so" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' > "$work/exports"
[ -s "$work/exports" ] || { echo "nothing is exported"; exit 1; }
if grep -v '^gleaner_' "$work/exports"; then echo "... exported as well"; exit 1; fi

echo "pkg-config, shared and static"
PKG_CONFIG_PATH=$(dirname "$pc")${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
cc -std=gnu11 -Wall -Wextra -Werror -Wno-sign-compare "$source/example.c" -o "$work/by_pkg_config" \
    $(pkg-config --cflags --libs gleaner) -Wl,-rpath,"$lib"
cc -std=gnu11 "$source/example.c" -o "$work/by_archive" $(pkg-config --cflags gleaner) \
    "$lib/libgleaner.a" $(pkg-config --static --libs libmongoc-1.0 liburcu libxxhash 2>/dev/null ||
        pkg-config --static --libs mongoc2 liburcu libxxhash) -pthread

echo "CMake"
cmake -S "$source" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" > "$work/cmake.log"
cmake --build "$work/cmake" > "$work/cmake_build.log" 2>&1 || { cat "$work/cmake_build.log"; exit 1; }

for program in by_pkg_config by_archive cmake/example cmake/example_static; do
    said=$("$with_server" "$work/$program") || {
        code=$?
        echo "$program ended with $code: $said"
        exit $code
    }
    echo "$program: $said"
    [ "$said" = "stored; read from the primary" ] || exit 1
done
