# SPDX-License-Identifier: Apache-2.0
# One CMake library per room. A room exports only its own folder and include/, so that an include
# in a direction that STYLE forbids does not build.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

add_library(gleaner_flags INTERFACE)
target_compile_definitions(gleaner_flags INTERFACE _GNU_SOURCE GLEANER_VERSION="${PROJECT_VERSION}")
target_compile_options(gleaner_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wvla
    -Wstrict-prototypes -Wmissing-prototypes -fno-strict-aliasing -fvisibility=hidden
    # messages of fixed size are meant to be cut; nothing else is formatted into fixed buffers
    $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>
    $<$<BOOL:${GLEANER_WERROR}>:-Werror>)
if(GLEANER_SANITIZE)
    target_compile_options(gleaner_flags INTERFACE -fsanitize=${GLEANER_SANITIZE} -fno-omit-frame-pointer -g)
    target_link_options(gleaner_flags INTERFACE -fsanitize=${GLEANER_SANITIZE})
endif()

# gleaner_room(name SOURCES a.c ... DOOR rooms-or-deps whose headers the door shows
#              USES rooms-or-deps used inside only)
function(gleaner_room name)
    cmake_parse_arguments(R "" "" "SOURCES;DOOR;USES" ${ARGN})
    add_library(room_${name} STATIC ${R_SOURCES})
    target_include_directories(room_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
    target_link_libraries(room_${name} PRIVATE gleaner_flags)
    foreach(dep IN LISTS R_DOOR)
        gleaner_link(room_${name} PUBLIC ${dep})
    endforeach()
    foreach(dep IN LISTS R_USES)
        gleaner_link(room_${name} PRIVATE ${dep})
    endforeach()
endfunction()

# A bare word is a room, anything with "::" an outside library.
function(gleaner_link target scope dep)
    if(dep MATCHES "::" OR dep MATCHES "^-")
        target_link_libraries(${target} ${scope} ${dep})
    else()
        target_link_libraries(${target} ${scope} room_${dep})
    endif()
endfunction()

# gleaner_test(name SOURCES ... USES rooms [TIMEOUT s] [LABELS ...]): a Criterion suite run by ctest.
function(gleaner_test name)
    cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;USES;LABELS;INTERNAL" ${ARGN})
    if(GLEANER_SANITIZE MATCHES "thread")
        return() # Criterion does not start under ThreadSanitizer; the stress programs do.
    endif()
    add_executable(test_${name} ${T_SOURCES})
    target_link_libraries(test_${name} PRIVATE gleaner_flags dep::criterion)
    if(GLEANER_SANITIZE MATCHES "address")
        target_sources(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fixture/criterion_sanitizers.c)
    endif()
    foreach(dep IN LISTS T_USES)
        gleaner_link(test_${name} PRIVATE ${dep})
    endforeach()
    foreach(room IN LISTS T_INTERNAL) # tests may see a room's internal headers
        target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/runtime/${room})
    endforeach()
    target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fixture)
    add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/tests/fixture/run_suite $<TARGET_FILE:test_${name}>)
    if(NOT T_TIMEOUT)
        set(T_TIMEOUT 120)
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}" SKIP_RETURN_CODE 77)
endfunction()

# gleaner_stress(name SOURCES ... USES ...): a plain main that takes --seconds N --seed N, prints its
# seed, and checks an oracle. ctest runs it for 2 seconds; campaigns run it for 60 under TSan.
function(gleaner_stress name)
    cmake_parse_arguments(T "" "" "SOURCES;USES;ARGS" ${ARGN})
    add_executable(stress_${name} ${T_SOURCES})
    target_link_libraries(stress_${name} PRIVATE gleaner_flags)
    foreach(dep IN LISTS T_USES)
        gleaner_link(stress_${name} PRIVATE ${dep})
    endforeach()
    add_test(NAME stress_${name} COMMAND stress_${name} --seconds 2 ${T_ARGS})
    set_tests_properties(stress_${name} PROPERTIES TIMEOUT 120 LABELS stress)
endfunction()

# gleaner_bench(name SOURCES ... USES ...): one question per program; run by `./dev bench NAME`.
function(gleaner_bench name)
    cmake_parse_arguments(T "" "" "SOURCES;USES" ${ARGN})
    add_executable(bench_${name} ${T_SOURCES})
    target_link_libraries(bench_${name} PRIVATE gleaner_flags)
    foreach(dep IN LISTS T_USES)
        gleaner_link(bench_${name} PRIVATE ${dep})
    endforeach()
endfunction()

# gleaner_module(name SOURCES ... LIBS ...): workers/<name>, a shared object that sees only include/.
set(GLEANER_MODULE_DIR "${CMAKE_INSTALL_LIBDIR}/gleaner/modules")
function(gleaner_module name)
    cmake_parse_arguments(M "" "" "SOURCES;LIBS" ${ARGN})
    add_library(module_${name} MODULE ${M_SOURCES})
    set_target_properties(module_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/modules)
    target_include_directories(module_${name} PRIVATE ${CMAKE_SOURCE_DIR}/include)
    target_link_libraries(module_${name} PRIVATE gleaner_flags ${M_LIBS})
    install(TARGETS module_${name} LIBRARY DESTINATION ${GLEANER_MODULE_DIR})
endfunction()
