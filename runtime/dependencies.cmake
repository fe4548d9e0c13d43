# SPDX-License-Identifier: Apache-2.0
# Every outside library as an imported target dep::NAME. README.md says why each one.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(gleaner_dependency name package)
    pkg_check_modules(DEP_${name} REQUIRED IMPORTED_TARGET GLOBAL ${package})
    add_library(dep::${name} ALIAS PkgConfig::DEP_${name})
endfunction()

# libmongoc: 2.x names its package mongoc2 (and libbson bson2), 1.x libmongoc-1.0.
pkg_check_modules(DEP_mongoc IMPORTED_TARGET GLOBAL mongoc2)
if(DEP_mongoc_FOUND)
    gleaner_dependency(bson bson2)
else()
    pkg_check_modules(DEP_mongoc REQUIRED IMPORTED_TARGET GLOBAL libmongoc-1.0)
    gleaner_dependency(bson libbson-1.0)
endif()
add_library(dep::mongoc ALIAS PkgConfig::DEP_mongoc)

# liburcu, memb flavour; inline small functions only (LGPL's allowance for other licences).
gleaner_dependency(urcu liburcu)
gleaner_dependency(curl libcurl)
gleaner_dependency(idn2 libidn2)
gleaner_dependency(sqlite sqlite3)
gleaner_dependency(microhttpd libmicrohttpd)
gleaner_dependency(cyaml libcyaml)
gleaner_dependency(openssl libcrypto)
gleaner_dependency(xxhash libxxhash)
gleaner_dependency(zlib zlib)
gleaner_dependency(expat expat)
gleaner_dependency(jansson jansson)
add_library(dep::threads ALIAS Threads::Threads)

pkg_check_modules(DEP_systemd IMPORTED_TARGET GLOBAL libsystemd)
if(BUILD_TESTING)
    gleaner_dependency(criterion criterion)
endif()

# lexbor: the system's where it has one, else the one that `./dev deps` unpacked. 2.4 to 3.x.
pkg_check_modules(DEP_lexbor IMPORTED_TARGET GLOBAL lexbor>=2.4)
if(DEP_lexbor_FOUND)
    add_library(dep::lexbor ALIAS PkgConfig::DEP_lexbor)
else()
    file(GLOB GLEANER_LEXBOR_ARCHIVE "${GLEANER_DEPS}/lexbor/usr/lib/*/liblexbor_static.a")
    if(NOT GLEANER_LEXBOR_ARCHIVE)
        message(FATAL_ERROR "lexbor is missing: run ./dev deps, or install liblexbor-dev (2.4 to 3.x)")
    endif()
    add_library(gleaner_lexbor STATIC IMPORTED GLOBAL)
    set_target_properties(gleaner_lexbor PROPERTIES
        IMPORTED_LOCATION "${GLEANER_LEXBOR_ARCHIVE}"
        INTERFACE_COMPILE_DEFINITIONS LEXBOR_STATIC
        INTERFACE_INCLUDE_DIRECTORIES "${GLEANER_DEPS}/lexbor/usr/include")
    target_link_libraries(gleaner_lexbor INTERFACE m)
    add_library(dep::lexbor ALIAS gleaner_lexbor)
endif()
