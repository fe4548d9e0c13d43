/* SPDX-License-Identifier: Apache-2.0 */
/* The visible text: in document order, each sentence once. */
#include "text_fixture.h"

#include <string.h>

TestSuite(text_text, .init = text_setup, .fini = text_teardown, .timeout = 30);

Test(text_text, blocks_are_lines_and_inline_elements_leave_no_trace)
{
    expect_text("<h1>Head</h1><p>One <b>bo</b>ld  word.\n Two.</p><ul><li>a<li>b<ul><li>c</ul></ul>"
                "<table><tr><td>x</td><td>y</td></tr><tr><td>z</table>l1<br>l2<hr>end",
                "Head\nOne bold word. Two.\na\nb\nc\nx y\nz\nl1\nl2\nend");
}

Test(text_text, link_texts_with_pattern_characters_are_just_text)
{
    expect_text("<p>See <a href=c>C++ file</a> and <a href=n>new (2025</a> *[x]\\ ok.</p>",
                "See C++ file and new (2025 *[x]\\ ok.");
}

Test(text_text, head_script_style_noscript_and_template_are_not_text)
{
    expect_text("<title>t</title><style>s</style><p>a</p><script>if (a<b) '</p>'</script>"
                "<noscript>n<p>n</p></noscript><template>t<div>t</div></template><style>s</style>b",
                "a\nb");
}

Test(text_text, text_before_and_behind_the_body_tags_belongs_to_the_body)
{
    expect_text("early<body>in</body>late</html>last", "earlyinlatelast");
    expect_text("<html><head><meta name=x></head>\n <p>a</p>", "a");
    expect_text("<head></head><noscript>n</noscript>x", "x");
}

Test(text_text, preformatted_text_keeps_its_lines)
{
    expect_text("<p>a</p><pre>\nint x;\n\n  y;\n</pre><p>b</p>", "a\nint x;\n\n  y;\nb");
}

Test(text_text, raw_text_elements_in_the_body_are_text_as_in_the_tree)
{
    expect_text("<textarea>a<b></textarea><xmp><i></xmp><iframe>f</iframe>", "a<b>\n<i>\nf");
    expect_text("x<plaintext>a</p></plaintext>", "x\na</p></plaintext>");
}

Test(text_text, character_references_are_decoded)
{
    expect_text("<p>&lt;C++&gt; &amp;amp; &#x20AC; &notin; &noti &unknown; a&nbsp;b</p>",
                "<C++> &amp; \xE2\x82\xAC \xE2\x88\x89 \xC2\xACi &unknown; a\xC2\xA0"
                "b");
}

Test(text_text, drawings_give_their_text_and_hide_their_styles)
{
    expect_text(
        "<p>a<svg><style>x{}</style><script>s</script><title>T</title><text>t</text></svg>b",
        "a\nT\nt b");
    expect_text("<svg><![CDATA[c < d]]></svg>", "c < d");
    expect_text("<p><![CDATA[c]]>d", "d");
    expect_text("<math><mi>x</mi><mo>=</mo><mn>1</mn></math>", "x=1");
}

Test(text_text, text_inside_a_table_outside_its_cells_comes_before_it_as_in_the_tree)
{
    expect_text("<table><tr><td>cell</td></tr>lost</table>", "lost\ncell");
    cr_expect_eq(page_result_counter(&text_result, "text_tree_passes"), 1);
    expect_text("<table><tr><td>cell</td></tr></table>", "cell");
    cr_expect_eq(page_result_counter(&text_result, "text_tree_passes"), 0);
}

Test(text_text, a_block_left_open_swallows_the_end_of_noscript_as_in_the_tree)
{
    expect_text("a<noscript><p>n</noscript>hidden", "a");
    expect_text("a<noscript><p>n</p></noscript>shown", "ashown");
    expect_text("<head><noscript><img src=x></noscript></head>shown", "shown");
}

Test(text_text, html_in_a_drawing_ends_the_drawing)
{
    expect_text("<svg><style>x<div>a</div></style>b", "a\nb");
}

Test(text_text, unclosed_and_misnested_markup_loses_nothing)
{
    expect_text("<p>a<b>b<i>c</b>d</i><div>e<span>f</div>g</p>h<table><tr><td>i<td>j<tr><td>k",
                "abcd\nef\ng\nh\ni j\nk");
    expect_text("<a href=x><a href=y>a<p></a>b", "a\nb");
    expect_text("a < b <3 </ > <> &", "a < b <3 <> &");
}

Test(text_text, unfinished_tags_at_the_end_are_dropped)
{
    expect_text("<p>a<a href='x", "a");
    expect_text("<p>a<!-- never closed", "a");
    expect_text("<p>a<script>never closed", "a");
    expect_text("<p>a<title>b", "a\nb");
}

Test(text_text, nul_bytes_are_dropped_in_html_and_replaced_in_drawings)
{
    static const char html[] = "<p>a\0b</p><svg><text>c\0d</text></svg><title>e\0f</title>";
    struct gleaner_page page = text_page(html, sizeof html - 1);
    text_run(&page);
    cr_expect_str_eq(text_field("text"), "ab\nc\xEF\xBF\xBD"
                                         "d\ne\xEF\xBF\xBD"
                                         "f");
    cr_expect_str_eq(text_field("title"), "e\xEF\xBF\xBD"
                                          "f");
}

Test(text_text, a_select_gives_its_options)
{
    expect_text("<select><option>a<option selected>b</select>c", "a\nb\nc");
}

Test(text_text, a_page_of_frames_has_no_text)
{
    expect_text("<frameset><frame src=a><noframes>n</noframes></frameset>", "");
}

Test(text_text, a_page_is_read_alike_the_second_time)
{
    static const char html[] = "<title>t</title><noscript><p>x</noscript><table>a<svg><style>";
    text_run_html(html);
    struct base_buffer first = {0};
    page_result_json(&text_result, &first);
    text_run_html("<plaintext><template><pre>other");
    text_run_html(html);
    struct base_buffer second = {0};
    page_result_json(&text_result, &second);
    cr_expect_str_eq(first.data, second.data);
    base_buffer_fini(&first);
    base_buffer_fini(&second);
}
