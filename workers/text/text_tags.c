/* SPDX-License-Identifier: Apache-2.0 */
#include "text_tokens.h"

#include <lexbor/tag/const.h>

enum { SPECIAL = 1, BREAKS_OUT = 2, INTEGRATION = 4, FORMATTING = 8, FLAT = 16 };

/* From the HTML standard: "special" (13.2.4.2, without the void elements), the start tags listed
 * under "any other start tag" in foreign content (13.2.6.5), the formatting elements (13.2.4.3),
 * and the integration points. font
 * breaks out only with some attributes; taking it always makes the page doubtful, no more. */
static const uint8_t properties[LXB_TAG__LAST_ENTRY] = {
    [LXB_TAG_A] = FORMATTING,
    [LXB_TAG_ADDRESS] = SPECIAL,
    [LXB_TAG_APPLET] = SPECIAL,
    [LXB_TAG_ARTICLE] = SPECIAL,
    [LXB_TAG_ASIDE] = SPECIAL,
    [LXB_TAG_B] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_BIG] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_BLOCKQUOTE] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_BODY] = BREAKS_OUT,
    [LXB_TAG_BR] = FLAT | BREAKS_OUT,
    [LXB_TAG_BUTTON] = SPECIAL,
    [LXB_TAG_CENTER] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_CODE] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_DD] = FLAT | SPECIAL | BREAKS_OUT,
    [LXB_TAG_DETAILS] = SPECIAL,
    [LXB_TAG_DIR] = SPECIAL,
    [LXB_TAG_DIV] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_DL] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_DT] = FLAT | SPECIAL | BREAKS_OUT,
    [LXB_TAG_EM] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_EMBED] = FLAT | BREAKS_OUT,
    [LXB_TAG_FIELDSET] = SPECIAL,
    [LXB_TAG_FIGCAPTION] = SPECIAL,
    [LXB_TAG_FIGURE] = SPECIAL,
    [LXB_TAG_FONT] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_FOOTER] = SPECIAL,
    [LXB_TAG_FOREIGNOBJECT] = INTEGRATION,
    [LXB_TAG_DESC] = INTEGRATION,
    [LXB_TAG_TITLE] = SPECIAL | INTEGRATION,
    [LXB_TAG_MI] = INTEGRATION,
    [LXB_TAG_MO] = INTEGRATION,
    [LXB_TAG_MN] = INTEGRATION,
    [LXB_TAG_MS] = INTEGRATION,
    [LXB_TAG_MTEXT] = INTEGRATION,
    [LXB_TAG_FORM] = SPECIAL,
    [LXB_TAG_H1] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_H2] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_H3] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_H4] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_H5] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_H6] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_HEAD] = BREAKS_OUT,
    [LXB_TAG_HEADER] = SPECIAL,
    [LXB_TAG_HGROUP] = SPECIAL,
    [LXB_TAG_HR] = FLAT | BREAKS_OUT,
    [LXB_TAG_I] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_IFRAME] = SPECIAL,
    [LXB_TAG_IMG] = FLAT | BREAKS_OUT,
    [LXB_TAG_LI] = FLAT | SPECIAL | BREAKS_OUT,
    [LXB_TAG_LISTING] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_MAIN] = SPECIAL,
    [LXB_TAG_MARQUEE] = SPECIAL,
    [LXB_TAG_MENU] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_META] = FLAT | BREAKS_OUT,
    [LXB_TAG_NAV] = SPECIAL,
    [LXB_TAG_NOBR] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_NOEMBED] = SPECIAL,
    [LXB_TAG_NOFRAMES] = SPECIAL,
    [LXB_TAG_NOSCRIPT] = SPECIAL,
    [LXB_TAG_OBJECT] = SPECIAL,
    [LXB_TAG_OL] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_P] = FLAT | SPECIAL | BREAKS_OUT,
    [LXB_TAG_PRE] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_RUBY] = BREAKS_OUT,
    [LXB_TAG_S] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_SCRIPT] = SPECIAL,
    [LXB_TAG_SEARCH] = SPECIAL,
    [LXB_TAG_SECTION] = SPECIAL,
    [LXB_TAG_SELECT] = SPECIAL,
    [LXB_TAG_SMALL] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_SPAN] = BREAKS_OUT,
    [LXB_TAG_STRONG] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_STRIKE] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_STYLE] = SPECIAL,
    [LXB_TAG_SUB] = BREAKS_OUT,
    [LXB_TAG_SUMMARY] = SPECIAL,
    [LXB_TAG_SUP] = BREAKS_OUT,
    [LXB_TAG_TABLE] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_TEXTAREA] = SPECIAL,
    [LXB_TAG_TT] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_U] = FORMATTING | BREAKS_OUT,
    [LXB_TAG_UL] = SPECIAL | BREAKS_OUT,
    [LXB_TAG_VAR] = BREAKS_OUT,
    [LXB_TAG_AREA] = FLAT,
    [LXB_TAG_BASE] = FLAT,
    [LXB_TAG_BASEFONT] = FLAT,
    [LXB_TAG_BGSOUND] = FLAT,
    [LXB_TAG_COL] = FLAT,
    [LXB_TAG_COLGROUP] = FLAT,
    [LXB_TAG_TBODY] = FLAT,
    [LXB_TAG_TD] = FLAT,
    [LXB_TAG_TFOOT] = FLAT,
    [LXB_TAG_TH] = FLAT,
    [LXB_TAG_THEAD] = FLAT,
    [LXB_TAG_TR] = FLAT,
    [LXB_TAG_INPUT] = FLAT,
    [LXB_TAG_KEYGEN] = FLAT,
    [LXB_TAG_LINK] = FLAT,
    [LXB_TAG_OPTION] = FLAT,
    [LXB_TAG_OPTGROUP] = FLAT,
    [LXB_TAG_PARAM] = FLAT,
    [LXB_TAG_SOURCE] = FLAT,
    [LXB_TAG_TRACK] = FLAT,
    [LXB_TAG_WBR] = FLAT,
    [LXB_TAG_IMAGE] = FLAT,
    [LXB_TAG_RB] = FLAT,
    [LXB_TAG_RP] = FLAT,
    [LXB_TAG_RT] = FLAT,
    [LXB_TAG_RTC] = FLAT,
    [LXB_TAG_XMP] = SPECIAL,
};

static bool has(uintptr_t tag, unsigned property)
{
    return tag < LXB_TAG__LAST_ENTRY && (properties[tag] & property) != 0;
}

bool text_is_special(uintptr_t tag)
{
    return has(tag, SPECIAL);
}

bool text_breaks_out(uintptr_t tag)
{
    return has(tag, BREAKS_OUT);
}

bool text_is_integration_point(uintptr_t tag)
{
    return has(tag, INTEGRATION);
}

bool text_is_formatting(uintptr_t tag)
{
    return has(tag, FORMATTING);
}

bool text_nests(uintptr_t tag)
{
    return !has(tag, FLAT);
}
