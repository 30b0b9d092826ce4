// What JupyterLab has no setting for. For readers who hear the page: it draws a PNG without the
// alt text that the notebook holds for it (metadata["image/png"].alt), and the handle of a slider
// without its name. For all: Run All leaves the page where it is read, and a narrow window shows
// the page. Written by hand, in the form in which JupyterLab loads an extension (a webpack module
// federation container), so that nothing needs building.
(() => {
  const narrow = 600; // pixels
  let shared; // the packages that JupyterLab shares with its extensions

  async function imported(name) {
    const [version] = Object.values(shared[name]);
    return (await version.get())();
  }

  function describe(registry) {
    const images = registry.getFactory('image/png');
    function createRenderer(options) {
      const renderer = images.createRenderer(options);
      const renderModel = renderer.renderModel.bind(renderer);
      renderer.renderModel = async model => {
        await renderModel(model);
        const alt = model.metadata[options.mimeType]?.alt;
        const picture = renderer.node.querySelector('img');
        if (alt && picture) {
          picture.alt = alt;
        }
      };
      return renderer;
    }
    registry.addFactory({ ...images, createRenderer });
  }

  function nameSlider(slider) {
    const name = slider.querySelector('.widget-label')?.textContent;
    slider.querySelector('[role=slider]')?.setAttribute('aria-label', name);
    slider.querySelector('.widget-readout')?.setAttribute('aria-label', `${name}, number`);
  }

  function nameSliders() {
    new MutationObserver(records => {
      for (const node of records.flatMap(record => [...record.addedNodes])) {
        if (node instanceof Element) {
          // A slider, what contains some, or a part that one gets later.
          const whole = node.closest('.widget-slider');
          (whole ? [whole] : node.querySelectorAll('.widget-slider')).forEach(nameSlider);
        }
      }
    }).observe(document.body, { childList: true, subtree: true });
  }

  // "Run All Cells" selects the last cell and scrolls to it. Here selection and page stay.
  async function stayOnRunAll() {
    const { NotebookActions } = await imported('@jupyterlab/notebook');
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
    const style = document.createElement('style');
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
    isNarrow.addEventListener('change', closeSides);
    await app.restored;
    closeSides();
  }

  async function extension() {
    const { IRenderMimeRegistry } = await imported('@jupyterlab/rendermime');
    const plugin = {
      id: 'vanishing-gradients:plugin',
      autoStart: true,
      requires: [IRenderMimeRegistry],
      activate: async (app, registry) => {
        describe(registry);
        nameSliders();
        showPage(app); // not waited for: JupyterLab is restored only after its extensions
        await stayOnRunAll();
      }
    };
    return () => ({ __esModule: true, default: plugin });
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB['vanishing-gradients'] = {
    init: scope => {
      shared = scope;
    },
    get: extension
  };
})();
