// For readers who hear the page: JupyterLab draws a PNG without the alt text that the notebook
// holds for it (metadata["image/png"].alt), and the handle of a slider without its name; this
// adds both. Written by hand, in the form in which JupyterLab loads an extension (a webpack
// module federation container), so that nothing needs building.
(() => {
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

  async function extension() {
    const { IRenderMimeRegistry } = await imported('@jupyterlab/rendermime');
    const plugin = {
      id: 'vanishing-gradients:accessible-names',
      autoStart: true,
      requires: [IRenderMimeRegistry],
      activate: (app, registry) => {
        describe(registry);
        nameSliders();
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
