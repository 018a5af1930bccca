"""All notebooks and READMEs as web pages, which any browser opens from disk without a network.

Writes a contents page (index.html), a page for each notebook, solution and README, and one for each
source file that they link to. Formulas are MathML, code is highlighted, and there is neither a
script nor a font to load. The pages show the outputs that the notebooks were saved with; nothing is
run. In place of a slider stands the picture beside it.

A link that leads nowhere, or a formula that can't be converted, stops the build, and all of them
are listed. In the folder --output, which must be new, empty, or a site that this command has made,
its old pages are replaced; what else is there stays. Needs the `site` extra:
pip install -e ".[site]".
"""

from pathlib import Path

from common.scripts.command_line import CommandError, run, script_parser
from notebooks.site_builder.formulas import check_installed
from notebooks.site_builder.site import Site
from notebooks.site_builder.writing import check_folder, write_site

ROOT = Path(__file__).resolve().parents[1]


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output/site"),
        metavar="DIR",
        help="folder for the pages",
    )
    args = parser.parse_args(argv)

    check_installed()
    check_folder(args.output)
    site = Site(ROOT)
    files = site.build()
    if site.problems:
        listed = "\n".join(f"  {problem}" for problem in site.problems)
        raise CommandError(f"nothing was written, since these links or formulas fail:\n{listed}")
    write_site(files, args.output)
    print(f"{len(site.pages)} pages: open {args.output / 'index.html'} in a browser")


if __name__ == "__main__":
    run(main)
