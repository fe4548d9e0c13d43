/* SPDX-License-Identifier: Apache-2.0 */
/* Three witnesses of how many connections there are: the server, the kernel, and our own count. */
#include "rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int rig_server_census(const struct fixture_mongod *server, unsigned member, const char *prefix)
{
    bson_t reply;
    char command[512];
    int count = -1;
    snprintf(command, sizeof command,
             "{\"aggregate\":1,\"cursor\":{},\"pipeline\":[{\"$currentOp\":{\"allUsers\":true,"
             "\"idleConnections\":true,\"localOps\":true}},{\"$match\":{\"appName\":{\"$regex\":"
             "\"^%s\"}}},{\"$group\":{\"_id\":\"$connectionId\"}},{\"$count\":\"n\"}]}",
             prefix);
    if (fixture_mongod_command(server, member, "admin", command, &reply)) {
        bson_iter_t iter, at;
        bool found = bson_iter_init(&iter, &reply) &&
                     bson_iter_find_descendant(&iter, "cursor.firstBatch.0.n", &at);
        count = found ? (int)bson_iter_as_int64(&at) : 0;
    }
    bson_destroy(&reply);
    return count;
}

static int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

int rig_descriptors(void)
{
    return count_entries("/proc/self/fd") - 1; /* the folder itself is open meanwhile */
}

int rig_threads(void)
{
    return count_entries("/proc/self/task");
}

long rig_rss_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%*d %ld", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static bool is_own_socket(unsigned long inode)
{
    char wanted[64], target[64], path[64];
    DIR *folder = opendir("/proc/self/fd");
    bool found = false;
    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    for (struct dirent *entry; folder != NULL && !found && (entry = readdir(folder)) != NULL;) {
        snprintf(path, sizeof path, "/proc/self/fd/%.20s", entry->d_name);
        ssize_t len = readlink(path, target, sizeof target - 1);
        target[len > 0 ? len : 0] = '\0';
        found = strcmp(target, wanted) == 0;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return found;
}

int rig_sockets_to(uint16_t port)
{
    enum { ESTABLISHED = 1 };
    char line[512];
    int count = 0;
    FILE *table = fopen("/proc/net/tcp", "re");
    while (table != NULL && fgets(line, sizeof line, table) != NULL) {
        unsigned remote_port, state;
        unsigned long inode;
        if (sscanf(line, " %*d: %*x:%*x %*x:%x %x %*x:%*x %*x:%*x %*x %*d %*d %lu", &remote_port,
                   &state, &inode) == 3 &&
            remote_port == port && state == ESTABLISHED) {
            count += is_own_socket(inode);
        }
    }
    if (table != NULL) {
        fclose(table);
    }
    return count;
}

struct rig_census rig_take_census(const struct fixture_mongod *server, unsigned members,
                                  const char *prefix)
{
    struct rig_census census = {
        .descriptors = rig_descriptors(), .threads = rig_threads(), .rss_kb = rig_rss_kb()};
    for (unsigned member = 0; member < members; member++) {
        if (fixture_mongod_pid(server, member) > 0) {
            census.server += rig_server_census(server, member, prefix);
        }
    }
    return census;
}
