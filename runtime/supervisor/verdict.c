/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"
#include <stdio.h>

/* What a fresh poke proves by itself. Below POKE_HUNG_UP the kernel's view of the driver's own
 * sockets agrees or has nothing to add. */
static const enum verdict of_poke[] = {
    [POKE_NO_NAME] = VERDICT_NO_NAME,          [POKE_DNS_SILENT] = VERDICT_DNS_SILENT,
    [POKE_UNREACHABLE] = VERDICT_UNREACHABLE,  [POKE_BLACK_HOLE] = VERDICT_BLACK_HOLE,
    [POKE_REFUSED] = VERDICT_REFUSED,          [POKE_SILENT] = VERDICT_SILENT,
    [POKE_HUNG_UP] = VERDICT_CONNECTION_LIMIT, [POKE_WANTS_TLS] = VERDICT_WANTS_TLS,
    [POKE_WANTS_PLAIN] = VERDICT_WANTS_PLAIN,  [POKE_NO_PRIMARY] = VERDICT_NO_PRIMARY,
    [POKE_ANSWERED] = VERDICT_UNKNOWN,
};

/* The driver's sockets, when nobody asked on one of our own: worst first. */
static enum verdict of_sockets(const struct witness_sockets *sockets)
{
    if (sockets->syn_sent + sockets->unacknowledged > 0) {
        return VERDICT_BLACK_HOLE;
    }
    if (sockets->silent > 0) {
        return VERDICT_SILENT;
    }
    /* with a socket to the server there was an address: then DNS is not what is waited for */
    return sockets->dns > 0 && sockets->talking == 0 ? VERDICT_DNS_SILENT : VERDICT_UNKNOWN;
}

static bool uses_tls(const struct verdict_facts *facts)
{
    return facts->poke != NULL && facts->poke->uses_tls;
}

static enum verdict weigh(const struct verdict_facts *facts)
{
    enum mongo_error_class class = facts->error != NULL ? facts->error->error_class : MONGO_OK;
    if (class == MONGO_AUTH || class == MONGO_CONFIG) { /* the server, or the URI, has spoken */
        return class == MONGO_AUTH ? VERDICT_AUTHENTICATION : VERDICT_CONFIGURATION;
    }
    enum verdict found = facts->poke != NULL ? of_poke[facts->poke->answer] : VERDICT_UNKNOWN;
    if (found == VERDICT_UNKNOWN) {
        found = of_sockets(&facts->sockets);
    }
    bool is_answered = facts->poke != NULL && facts->poke->answer == POKE_ANSWERED;
    if (found == VERDICT_UNKNOWN && is_answered && uses_tls(facts) && !facts->is_overdue) {
        return VERDICT_TLS_REFUSED;
    }
    return found == VERDICT_SILENT && uses_tls(facts) ? VERDICT_TLS_STALLED : found;
}

static const char *where(const struct verdict_facts *facts)
{
    return facts->poke != NULL ? facts->poke->where : "";
}

static void say_limit(const struct verdict_facts *facts, char *words, size_t size)
{
    if (facts->server_available >= 0) {
        snprintf(words, size,
                 "server at its connection limit (it hangs up; %lld connections, %lld left): %s",
                 (long long)facts->server_current, (long long)facts->server_available,
                 where(facts));
    } else {
        snprintf(words, size, "server at its connection limit, or going down (it hangs up): %s",
                 where(facts));
    }
}

static void say_black_hole(const struct verdict_facts *facts, char *words, size_t size)
{
    bool was_connected = facts->sockets.unacknowledged > 0 && facts->sockets.syn_sent == 0 &&
                         (facts->poke == NULL || facts->poke->answer != POKE_BLACK_HOLE);
    snprintf(words, size, "black hole (%s for %.1f s)%s%s",
             was_connected ? "what was sent is unacknowledged" : "SYN unanswered",
             (double)facts->waited_ms / 1e3, where(facts)[0] != '\0' ? ": " : "", where(facts));
}

enum verdict verdict_find(const struct verdict_facts *facts, char *words, size_t size)
{
    /* after the words comes where, but for the two that say more */
    static const char *const texts[] = {
        [VERDICT_UNKNOWN] = "",
        [VERDICT_AUTHENTICATION] =
            "authentication refused: check user, password and authSource in the URI",
        [VERDICT_CONFIGURATION] = "",
        [VERDICT_DNS_SILENT] = "DNS does not answer",
        [VERDICT_NO_NAME] = "DNS knows no such name",
        [VERDICT_UNREACHABLE] = "no route to the host",
        [VERDICT_SILENT] = "accepted but silent",
        [VERDICT_TLS_STALLED] = "TLS handshake stalled (accepted but silent)",
        [VERDICT_REFUSED] = "refused (nobody listens)",
        [VERDICT_WANTS_TLS] = "the server wants TLS: add tls=true to the URI",
        [VERDICT_WANTS_PLAIN] = "the server speaks no TLS: remove tls=true from the URI",
        [VERDICT_TLS_REFUSED] = "TLS refused: check tlsCAFile and the certificate's host name",
        [VERDICT_NO_PRIMARY] = "a member answers, and the set has no primary",
    };
    enum verdict found = weigh(facts);
    if (found == VERDICT_CONNECTION_LIMIT) {
        say_limit(facts, words, size);
    } else if (found == VERDICT_BLACK_HOLE) {
        say_black_hole(facts, words, size);
    } else {
        bool has_place =
            texts[found][0] != '\0' && where(facts)[0] != '\0' && found != VERDICT_AUTHENTICATION;
        snprintf(words, size, "%s%s%s", texts[found], has_place ? ": " : "",
                 has_place ? where(facts) : "");
    }
    return found;
}
