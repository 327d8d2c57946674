# CMake reads this through CMAKE_TOOLCHAIN_FILE. The programs run on this machine, so this is not
# cross compiling to CMake; only the system's libraries must not be found, as they need glibc.
set(CMAKE_C_COMPILER x86_64-linux-musl-gcc)
set(BUILD_SHARED_LIBS OFF CACHE BOOL "A static program cannot use shared libraries")
set(CMAKE_FIND_ROOT_PATH /usr/lib/musl /usr/lib/x86_64-linux-musl)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
