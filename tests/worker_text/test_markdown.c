/* SPDX-License-Identifier: Apache-2.0 */
/* --content markdown. */
#include "text_fixture.h"

TestSuite(text_markdown, .init = text_setup, .fini = text_teardown, .timeout = 30);

Test(text_markdown, headings_paragraphs_and_rules)
{
    expect_markdown("<h1>One</h1><p>a</p><h3>Three</h3><h2></h2>b<hr>c",
                    "# One\n\na\n\n### Three\n\nb\n\n---\n\nc");
}

Test(text_markdown, links_and_images_have_absolute_addresses)
{
    expect_markdown("<p><a href=c>C++ file</a>, <a href='n(1)'>new (2025</a> "
                    "<img src=/i.png alt='an [image]'> <a href='javascript:x'>js</a></p>",
                    "[C++ file](http://h.test/d/c), [new (2025](<http://h.test/d/n(1)>) "
                    "![an \\[image\\]](http://h.test/i.png) js");
}

Test(text_markdown, a_base_behind_a_link_is_known_to_the_link)
{
    expect_markdown("<a href=x>early</a><base href=/b/>", "[early](http://h.test/b/x)");
}

Test(text_markdown, emphasis_hugs_its_words_and_vanishes_when_empty)
{
    expect_markdown("<p>a<b> bold </b>word <i></i><em>it</em>, <del>gone</del> "
                    "<strong><em>both</em></strong></p>",
                    "a **bold** word *it*, ~~gone~~ ***both***");
}

Test(text_markdown, emphasis_does_not_reach_over_blocks)
{
    expect_markdown("<b>a<p>b</p>c</b>", "**a**\n\n**b**\n\n**c**");
}

Test(text_markdown, nested_lists_are_indented_by_their_markers)
{
    expect_markdown(
        "<ul><li>one<ul><li>in one<li>in two</ul><li>two</ul>"
        "<ol start=9><li>nine<li>ten<ul><li>deep</ul></ol>after",
        "- one\n  - in one\n  - in two\n- two\n\n9. nine\n10. ten\n    - deep\n\nafter");
}

Test(text_markdown, paragraphs_and_code_in_items_stay_in_them)
{
    expect_markdown("<ul><li><p>a</p><p>b</p><pre>x\n  y</pre><li>c</ul>",
                    "- a\n\n  b\n\n  ```\n  x\n    y\n  ```\n\n- c");
}

Test(text_markdown, quotes_mark_every_line_and_neighbours_stay_apart)
{
    expect_markdown("a<blockquote><p>b</p><p>c</p><ul><li>d</ul></blockquote>"
                    "<blockquote>e</blockquote>f",
                    "a\n\n> b\n>\n> c\n>\n> - d\n\n> e\n\nf");
}

Test(text_markdown, code_is_fenced_or_ticked_longer_than_what_it_holds)
{
    expect_markdown("<p>use <code>a*b</code> or <code>`x`</code>.</p>"
                    "<pre><code class='hl language-c'>int *p;\n```\n</code></pre>",
                    "use `a*b` or `` `x` ``.\n\n````c\nint *p;\n```\n````");
}

/* U+00E9 as the 31st and 32nd byte of the name: cut there, half of it was stored. */
Test(text_markdown, a_name_of_a_language_that_is_too_long_names_none)
{
    expect_markdown(
        "<pre><code class='language-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9'>x</code></pre>",
        "```\nx\n```");
    expect_markdown(
        "<pre><code class='language-aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9'>x</code></pre>",
        "```aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9\nx\n```");
    expect_markdown("<pre class='language-a`b'>x</pre>", "```\nx\n```");
}

Test(text_markdown, tables_have_a_heading_row_and_one_line_a_row)
{
    expect_markdown("<table><tr><th>A<th>B|C</tr><tr><td><p>x</p><p>y</p><td><ul><li>l<li>m</ul>"
                    "</table>z",
                    "| A | B\\|C |\n| --- | --- |\n| x y | l m |\n\nz");
}

Test(text_markdown, characters_that_mean_something_are_escaped_where_they_do)
{
    expect_markdown("<p>*a* snake_case _b_ [1] `t` &lt;b&gt; 1 &lt; 2 &amp;amp; C++ a-b \\</p>"
                    "<p># h</p><p>1. x</p><p>- y</p><p>+ z</p><p>&gt; q</p><p>2024 - ok.</p>",
                    "\\*a\\* snake_case \\_b\\_ [1] \\`t\\` \\<b> 1 < 2 \\&amp; C++ a-b \\\\\n\n"
                    "\\# h\n\n1\\. x\n\n\\- y\n\n\\+ z\n\n\\> q\n\n2024 - ok.");
}

Test(text_markdown, line_breaks_are_hard_breaks)
{
    expect_markdown("<p>a<br>b<br></p>c", "a\\\nb\\\n\nc");
}

Test(text_markdown, unclosed_code_does_not_swallow_the_page)
{
    expect_markdown("<p>a <code>b<p>c</p>", "a `b`\n\nc");
}

Test(text_markdown, the_tree_pass_writes_the_same_markdown)
{
    expect_markdown("<p>lost</p><ul><li><b>a</b></ul><table><tr><td>c</td></tr></table>",
                    "lost\n\n- **a**\n\n| c |\n| --- |");
    expect_markdown("<ul><li><b>a</b></ul><table>lost<tr><td>c</td></tr></table>",
                    "- **a**\n\nlost\n\n| c |\n| --- |");
    cr_expect_eq(page_result_counter(&text_result, "text_tree_passes"), 1);
}
