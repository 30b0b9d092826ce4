// What JupyterLab has no setting for. An extension as `jupyter labextension build` would make
// it, but small enough to be written by hand: nothing is built, nothing is installed.
(() => {
  const name = "course-page";
  const narrow = 600; // pixels
  let shared; // the packages that JupyterLab shares with its extensions, by name and version

  // "Run All Cells" selects the last cell and scrolls to it. Here selection and page stay.
  async function stayOnRunAll() {
    const [version] = Object.values(shared["@jupyterlab/notebook"]);
    const { NotebookActions } = (await version.get())();
    const { runAll } = NotebookActions;
    NotebookActions.runAll = (notebook, ...others) => {
      const selected = notebook.activeCellIndex;
      notebook.scrollToItem = async () => {};
      try {
        return runAll(notebook, ...others);
      } finally {
        delete notebook.scrollToItem; // its class has it again
        notebook.activeCellIndex = selected;
      }
    };
  }

  // The list of files would leave 60 pixels of a phone for the page.
  async function showPage(app) {
    const style = document.createElement("style");
    style.textContent = `@media (max-width: ${narrow}px) {
      :root { --jp-cell-prompt-width: 24px; --jp-cell-collapser-width: 4px; }
      .jp-InputPrompt, .jp-OutputPrompt { font-size: 9px; padding: 6px 0; }
    }`;
    document.head.append(style);
    const isNarrow = window.matchMedia(`(max-width: ${narrow}px)`);
    const closeSides = () => {
      if (isNarrow.matches) {
        app.shell.collapseLeft();
        app.shell.collapseRight();
      }
    };
    isNarrow.addEventListener("change", closeSides);
    await app.restored;
    closeSides();
  }

  const plugin = {
    id: `${name}:plugin`,
    description: "Run All leaves the page where it is read; a narrow window shows the page.",
    autoStart: true,
    activate: async (app) => {
      showPage(app); // not waited for: JupyterLab is restored only after its extensions
      await stayOnRunAll();
    },
  };

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB[name] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
