# SPDX-License-Identifier: MIT
# Runs PROGRAM; fails unless it exits with 0 and its output is EXPECTED exactly.
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE output RESULT_VARIABLE result)
if(NOT result STREQUAL "0")
    message(FATAL_ERROR "${PROGRAM} exited with ${result}")
endif()
if(NOT output STREQUAL EXPECTED)
    message(FATAL_ERROR "expected:\n${EXPECTED}\ngot:\n${output}")
endif()
