# SPDX-License-Identifier: Apache-2.0
# spin -a, cc, ./pan; then compare the outcome with EXPECTED: "holds" or "fails".
string(REPLACE " " ";" defines "${DEFINES}")
list(TRANSFORM defines PREPEND "-D")
file(MAKE_DIRECTORY "${FOLDER}")
execute_process(COMMAND "${SPIN}" -a ${defines} "${MODEL}" WORKING_DIRECTORY "${FOLDER}"
    COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${CC}" -w -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=1500 -o pan pan.c
    WORKING_DIRECTORY "${FOLDER}" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ./pan -m100000 WORKING_DIRECTORY "${FOLDER}" OUTPUT_VARIABLE report
    RESULT_VARIABLE result)
string(REGEX MATCH "errors: [0-9]+" errors "${report}")
string(REGEX MATCH "[0-9]+ states, stored" states "${report}")
string(REGEX MATCH "pan:1: [^\n]*" what "${report}")
# A search that was cut short proves nothing.
if(report MATCHES "max search depth too small|out of memory|Search not completed"
   AND NOT errors MATCHES "errors: [1-9]")
    message(FATAL_ERROR "the search was not complete:\n${report}")
endif()
if(errors STREQUAL "errors: 0" AND states MATCHES "[1-9]")
    set(outcome holds)
elseif(errors MATCHES "errors: [1-9]")
    set(outcome fails)
else()
    message(FATAL_ERROR "no verdict (${result}):\n${report}")
endif()
message(STATUS "${DEFINES}: ${outcome}, ${states} ${what}")
if(NOT outcome STREQUAL EXPECTED)
    message(FATAL_ERROR "expected that it ${EXPECTED}:\n${report}")
endif()
