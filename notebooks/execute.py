"""Execute notebooks with this very interpreter, and leave nothing in them that changes from run to run.

Times and ids of execution are not recorded. What a notebook writes to stderr is shown here, not kept in the document.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import UserError, atomic_write_text
from common.progress import progress
from notebooks.settings import NotebookSettings

if TYPE_CHECKING:
    from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYTHONWARNINGS": "ignore:IProgress not found"}
NEEDED = "the notebooks need nbclient, nbformat, ipykernel and nbconvert; run make install"


def notebooks_of(names: str) -> list[Path]:
    """Return the notebooks named by number or name; all of them without a name."""
    there = sorted(HERE.glob("[0-9]*.ipynb"))
    wanted = [name.strip().removesuffix(".ipynb") for name in names.split(",") if name.strip()]
    found = []
    for name in wanted:
        fitting = [path for path in there if path.stem == name or path.stem.split("_")[0] == name.zfill(2)]
        if not fitting:
            raise UserError(f"no notebook '{name}'; there are {', '.join(path.stem for path in there)}")
        found += fitting
    return list(dict.fromkeys(found)) or there


def absolute(paths: str) -> str:
    """Paths with commas as seen from here: a kernel works in the repository's root."""
    return ",".join(os.path.abspath(path.strip()) for path in paths.split(",") if path.strip())


def environment(settings: NotebookSettings) -> dict[str, str]:
    """Return what tells a notebook its runs, its folder and a judge's labels."""
    given = {"PERCEPT_RUNS": settings.runs, "PERCEPT_OUT": settings.out, "PERCEPT_LABELS": settings.labels}
    given |= {"PERCEPT_REAL": settings.real}
    return {name: absolute(paths) for name, paths in given.items() if paths}


def read(path: Path) -> "NotebookNode":
    try:
        import nbformat
    except ImportError:
        raise UserError(NEEDED) from None
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise UserError(f"{path.name} is no notebook ({str(error).splitlines()[0]}); restore it") from None


def kernel_of(folder: Path) -> Any:
    """Return a kernel of this interpreter, whatever kernels the machine has registered, behind sockets that
    are files.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    return AsyncKernelManager(
        kernel_name=KERNEL["name"],
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
        transport="ipc",
        ip=str(folder / "kernel"),
        connection_file=str(folder / "kernel.json"),
    )


def execute(path: Path, variables: dict[str, str], timeout_s: int = 900) -> "NotebookNode":
    """Return the notebook with fresh outputs; a failure is one sentence with notebook, cell and exception."""
    notebook = read(path)
    try:
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    except ImportError:
        raise UserError(NEEDED) from None
    at, code = {"cell": "(start)"}, [cell.id for cell in notebook.cells if cell.cell_type == "code"]
    with tempfile.TemporaryDirectory(prefix="percept-") as folder, progress(path.stem, len(code)) as advance:
        client = NotebookClient(
            notebook,
            km=kernel_of(Path(folder)),
            timeout=timeout_s,
            record_timing=False,
            resources={"metadata": {"path": str(ROOT)}},
            on_cell_start=lambda cell, cell_index: at.update(cell=cell.id),
            on_cell_executed=lambda cell, cell_index, execute_reply: advance(code.index(cell.id) + 1, ""),
        )
        try:
            client.execute(env=os.environ | QUIET | {"IPYTHONDIR": folder} | variables, cleanup_kc=True)
        except CellExecutionError as error:
            said = f"{error.ename}: {' '.join(error.evalue.split())}"
            raise UserError(f"notebook {path.stem} stopped in cell {at['cell']} by {said}") from None
        except CellTimeoutError:
            raise UserError(
                f"notebook {path.stem}: cell {at['cell']} took longer than {timeout_s} s; give timeout_s=<more>"
            ) from None
        except DeadKernelError:
            raise UserError(f"notebook {path.stem}: its process died in cell {at['cell']}; is memory short?") from None
    return tidy(notebook, path.stem)


def tidy(notebook: "NotebookNode", name: str) -> "NotebookNode":
    """Without what differs between machines and runs; stderr goes to the terminal."""
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = joined(without_stderr(cell, name))
    return notebook


def without_stderr(cell: "NotebookNode", name: str) -> "list[NotebookNode]":
    kept = []
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            print(f"{name}, cell {cell.id}: {output.text.rstrip()}", file=sys.stderr)
        else:
            kept.append(output)
    return kept


def joined(outputs: "list[NotebookNode]") -> "list[NotebookNode]":
    """Printed text that came in pieces is one output again; in how many pieces it comes is chance."""
    found: list[NotebookNode] = []
    for output in outputs:
        if found and output.output_type == found[-1].output_type == "stream":
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def write(notebook: "NotebookNode", path: Path) -> None:
    import nbformat

    atomic_write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n")


def html_of(notebook: "NotebookNode", title: str) -> str:
    """Return the notebook as one page that needs no network."""
    try:
        from nbconvert import HTMLExporter
    except ImportError:
        raise UserError(NEEDED) from None
    exporter = HTMLExporter(template_name="template", extra_template_basedirs=[str(HERE)])
    return exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})[0]


def run(settings: NotebookSettings) -> None:
    """Execute all, write each as soon as it is done."""
    variables, out = environment(settings), Path(settings.out)
    for path in notebooks_of(settings.names):
        notebook = execute(path, variables, settings.timeout_s)
        written = [path if settings.in_place else out / path.name]
        write(notebook, written[0])
        if settings.html:
            written.append(out / f"{path.stem}.html")
            atomic_write_text(written[1], html_of(notebook, path.stem))
        print(f"{path.stem}: {', '.join(map(str, written))}")
