/* SPDX-License-Identifier: Apache-2.0 */
/* Run a program with the URI of a server of its own as its argument; its exit code is ours. */
#include "mongod.h"
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: with_server PROGRAM\n");
        return 2;
    }
    if (fixture_mongod_program() == NULL) {
        return fixture_mongod_skip_code();
    }
    struct fixture_mongod *server = fixture_mongod_start(NULL);
    if (server == NULL) {
        return 3;
    }
    pid_t child = fork();
    if (child == 0) {
        execl(argv[1], argv[1], fixture_mongod_uri(server), (char *)NULL);
        _exit(127);
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    fixture_mongod_end(&server);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 4;
}
