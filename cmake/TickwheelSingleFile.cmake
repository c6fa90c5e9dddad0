# SPDX-License-Identifier: MIT
# The library as one file, for those who include or compile it: the target
# tickwheel_single_file writes tickwheel.c and tickwheel.h into TICKWHEEL_SINGLE_DIR.
# Without a python3 there is no such target.
set(TICKWHEEL_SINGLE_DIR ${PROJECT_BINARY_DIR}/single)
if(TARGET tickwheel_single_file)
    return()
endif()
find_program(TICKWHEEL_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(TICKWHEEL_PYTHON3 python3)
mark_as_advanced(TICKWHEEL_PYTHON3)
if(NOT TICKWHEEL_PYTHON3)
    return()
endif()
file(GLOB_RECURSE tickwheel_single_inputs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lib/*.[ch])
add_custom_command(
    OUTPUT ${TICKWHEEL_SINGLE_DIR}/tickwheel.c ${TICKWHEEL_SINGLE_DIR}/tickwheel.h
    COMMAND ${TICKWHEEL_PYTHON3} -B ${PROJECT_SOURCE_DIR}/tools/amalgamate ${TICKWHEEL_SINGLE_DIR}
    DEPENDS ${PROJECT_SOURCE_DIR}/tools/amalgamate ${tickwheel_single_inputs}
            ${PROJECT_SOURCE_DIR}/include/tickwheel.h ${PROJECT_SOURCE_DIR}/CMakeLists.txt
    COMMENT "Writing tickwheel.c")
add_custom_target(tickwheel_single_file DEPENDS ${TICKWHEEL_SINGLE_DIR}/tickwheel.c)
