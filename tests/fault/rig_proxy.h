/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rig_proxy.h
 * A toxiproxy between us and a server: latency, bandwidth, resets, black holes. The program is
 * $TOXIPROXY, else toxiproxy-server of $PATH.
 */
#ifndef FAULT_RIG_PROXY_H
#define FAULT_RIG_PROXY_H

#include <stdbool.h>
#include <stdint.h>

struct rig_proxy;
/** NULL when there is no program, or it does not start. */
struct rig_proxy *rig_proxy_start(const char *address, uint16_t port);
void rig_proxy_end(struct rig_proxy **proxy);
/** What clients connect to. */
uint16_t rig_proxy_port(const struct rig_proxy *proxy);
/** In both directions; attributes as toxiproxy's JSON. */
void rig_proxy_poison(struct rig_proxy *proxy, const char *type, const char *attributes);
void rig_proxy_cure(struct rig_proxy *proxy);
/** Close every connection; new ones are welcome. */
void rig_proxy_cut(struct rig_proxy *proxy);

#endif
