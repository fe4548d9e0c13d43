/* SPDX-License-Identifier: Apache-2.0 */
/* Which witness is believed when they say different things. The same on real sockets:
 * tests/db_connect. */
#include "verdict.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

struct verdict_case {
    enum poke_answer answer; /* POKE_UNASKED: none */
    bool uses_tls, is_overdue;
    struct witness_sockets sockets;
    enum mongo_error_class class;
    int64_t available;
    enum verdict expected;
    char words[48];
};

static struct verdict_case cases[] = {
    /* the server's own word goes before everything */
    {POKE_SILENT, .class = MONGO_AUTH, .expected = VERDICT_AUTHENTICATION,
     .words = "authentication refused"},
    {POKE_ANSWERED, .uses_tls = true, .class = MONGO_CONFIG, .expected = VERDICT_CONFIGURATION},
    /* a socket of our own, just now */
    {POKE_REFUSED, .sockets = {.syn_sent = 1}, .expected = VERDICT_REFUSED, .words = "refused"},
    {POKE_BLACK_HOLE, .expected = VERDICT_BLACK_HOLE, .words = "(SYN unanswered for 2.5 s): h:1"},
    {POKE_SILENT, .expected = VERDICT_SILENT, .words = "accepted but silent: h:1"},
    {POKE_SILENT, .uses_tls = true, .expected = VERDICT_TLS_STALLED, .words = "TLS handshake"},
    {POKE_HUNG_UP, .available = 0, .expected = VERDICT_CONNECTION_LIMIT, .words = "7 connections"},
    {POKE_HUNG_UP, .available = -1, .expected = VERDICT_CONNECTION_LIMIT, .words = "or going down"},
    {POKE_ANSWERED, .uses_tls = true, .expected = VERDICT_TLS_REFUSED, .words = "tlsCAFile"},
    {POKE_ANSWERED, .uses_tls = true, .is_overdue = true, .expected = VERDICT_UNKNOWN},
    {POKE_NO_PRIMARY, .expected = VERDICT_NO_PRIMARY, .words = "no primary"},
    /* only the kernel was asked */
    {POKE_UNASKED, .sockets = {.syn_sent = 1, .dns = 1}, .expected = VERDICT_BLACK_HOLE,
     .words = "SYN unanswered"},
    {POKE_UNASKED, .sockets = {.unacknowledged = 1, .talking = 3}, .expected = VERDICT_BLACK_HOLE,
     .words = "what was sent is unacknowledged"},
    {POKE_UNASKED, .sockets = {.silent = 1, .talking = 3}, .expected = VERDICT_SILENT,
     .words = "accepted but silent"},
    {POKE_UNASKED, .sockets = {.dns = 1}, .expected = VERDICT_DNS_SILENT, .words = "DNS does not"},
    {POKE_UNASKED, .sockets = {.dns = 1, .talking = 1}, .expected = VERDICT_UNKNOWN},
    /* the poke was answered, the driver's connection was not: a worker of the server hangs */
    {POKE_ANSWERED, .is_overdue = true, .sockets = {.silent = 1}, .expected = VERDICT_SILENT,
     .words = "accepted but silent"},
    {POKE_ANSWERED, .class = MONGO_RECONNECT, .expected = VERDICT_UNKNOWN},
};

ParameterizedTestParameters(verdict, the_surest_witness_is_believed)
{
    return cr_make_param_array(struct verdict_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct verdict_case *c, verdict, the_surest_witness_is_believed)
{
    struct poke_report poke = {.answer = c->answer, .where = "h:1", .uses_tls = c->uses_tls};
    struct mongo_error error = {.error_class = c->class};
    struct verdict_facts facts = {
        .waited_ms = 2500,
        .is_overdue = c->is_overdue,
        .sockets = c->sockets,
        .poke = c->answer != POKE_UNASKED ? &poke : NULL,
        .error = &error,
        .server_current = 7,
        .server_available = c->available,
    };
    char words[160];
    cr_expect_eq(verdict_find(&facts, words, sizeof(words)), c->expected, "\"%s\"", words);
    cr_expect_not_null(strstr(words, c->words), "\"%s\" has no \"%s\"", words, c->words);
}
