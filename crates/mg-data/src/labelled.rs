use mg_random::Key;

use crate::{DataSet, Error, Result};

/// Images with a class each.
///
/// Invariant: as many labels as images, each below the number of classes.
#[derive(Clone, Debug)]
pub struct Labelled {
    data: DataSet,
    labels: Vec<u32>,
    classes: Vec<String>,
}

/// Labelled images to learn from, and others to choose the epoch by.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Images to learn from; the numbers of any two classes differ by at most one.
    pub learn: Labelled,
    /// Images held out, drawn whatever their classes; `None` when none were asked for.
    pub validation: Option<Labelled>,
}

impl Labelled {
    /// A set with its own labels and classes.
    ///
    /// # Errors
    /// When it has no labels.
    pub fn of(data: &DataSet) -> Result<Self> {
        let labels = data.labels().ok_or_else(|| Error::Unlabelled(data.name().to_string()))?;
        Self::new(data, labels, data.class_names().to_vec())
    }

    /// The images of `data`, image i with the label `labels[i]` in `0..classes.len()`.
    ///
    /// # Errors
    /// Another number of labels than of images; a label that names no class.
    pub fn new(data: &DataSet, labels: Vec<u32>, classes: Vec<String>) -> Result<Self> {
        let set = data.name().to_string();
        if labels.len() as u64 != data.len() {
            return Err(Error::Labels { set, labels: labels.len(), images: data.len() });
        }
        if let Some(image) = labels.iter().position(|&label| label as usize >= classes.len()) {
            return Err(Error::NoSuchClass { set, image, label: labels[image], classes: classes.len() });
        }
        Ok(Labelled { data: data.clone(), labels, classes })
    }

    /// A set with its labels renumbered to `classes`, by the names of its own classes: for test images, whose classes
    /// may come in another order.
    ///
    /// # Errors
    /// No labels; a class that is none of `classes`.
    pub fn among(data: &DataSet, classes: &[String]) -> Result<Self> {
        let own = Self::of(data)?;
        let number = |label: &u32| {
            let name = &own.classes[*label as usize];
            classes.iter().position(|class| class == name).map(|at| at as u32).ok_or_else(|| {
                let (set, known) = (data.name().to_string(), classes.join(", "));
                Error::UnknownClass { set, class: name.clone(), known }
            })
        };
        let labels = own.labels.iter().map(number).collect::<Result<_>>()?;
        Self::new(data, labels, classes.to_vec())
    }

    /// The images.
    pub fn data(&self) -> &DataSet {
        &self.data
    }

    /// The label of every image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// False: a data set has images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The labels of these images, by number; numbers that are none of an image are left out.
    pub fn labels_of(&self, numbers: &[u64]) -> Vec<u32> {
        numbers.iter().filter_map(|&i| self.labels.get(usize::try_from(i).ok()?).copied()).collect()
    }

    /// `count` images to learn from, balanced over the classes, and `validation` others. For one key the held-out images
    /// are the same whatever `count` is, and a larger draw contains a smaller one.
    ///
    /// # Errors
    /// Fewer images than classes are asked for, all images would be held out, or a class has too few.
    pub fn draw(&self, count: usize, validation: usize, key: Key) -> Result<Draw> {
        let classes = self.classes.len();
        if count < classes || validation >= self.len() {
            return Err(Error::Setting(format!(
                "the number of labels is {count} beside {validation} held out; it must be at least one for each of the \
                 {classes} classes, with fewer than all {} images held out",
                self.len()
            )));
        }
        let order: Vec<u64> = key.named("draw").permutation(self.len() as u64).iter().collect();
        let (held_out, rest) = order.split_at(validation);
        let learn = self.only(&self.balanced(count, rest, validation)?)?;
        let validation = (validation > 0).then(|| self.only(held_out)).transpose()?;
        Ok(Draw { learn, validation })
    }

    /// The first `count` of `images` that leave the classes equally large, to within one image.
    fn balanced(&self, count: usize, images: &[u64], held_out: usize) -> Result<Vec<u64>> {
        let classes = self.classes.len();
        let share = |class: usize| count / classes + usize::from(class < count % classes);
        let (mut drawn, mut found) = (Vec::with_capacity(count), vec![0; classes]);
        for &image in images {
            let class = self.labels[image as usize] as usize;
            if found[class] < share(class) {
                drawn.push(image);
            }
            found[class] += 1;
        }
        match (0..classes).find(|&class| found[class] < share(class)) {
            None => Ok(drawn),
            Some(class) => Err(Error::TooFew {
                set: self.data.name().to_string(),
                class: self.classes[class].clone(),
                found: found[class],
                held_out,
                asked: share(class),
                labels: count,
            }),
        }
    }

    fn only(&self, numbers: &[u64]) -> Result<Self> {
        Self::new(&self.data.subset(numbers)?, self.labels_of(numbers), self.classes.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(labels: Vec<u32>) -> Labelled {
        let images: Vec<u64> = (0..labels.len() as u64).collect();
        let data = DataSet::portraits().unwrap().subset(&images).unwrap();
        Labelled::new(&data, labels, vec!["a".into(), "b".into(), "c".into()]).unwrap()
    }

    fn hashes(of: &Labelled) -> Vec<&[u8]> {
        (0..of.len() as u64).map(|i| of.data().image(i).unwrap()).collect()
    }

    #[test]
    fn a_draw_is_balanced_nested_and_apart_from_its_validation() {
        let set = set((0..90).map(|i| [0, 0, 0, 1, 1, 2][i % 6]).collect());
        let few = set.draw(7, 20, Key::new(1)).unwrap();
        let many = set.draw(20, 20, Key::new(1)).unwrap();
        let count = |of: &Labelled, class| of.labels().iter().filter(|&&label| label == class).count();
        assert_eq!([0, 1, 2].map(|class| count(&few.learn, class)), [3, 2, 2]);
        assert_eq!([0, 1, 2].map(|class| count(&many.learn, class)), [7, 7, 6]);
        let (small, large) = (hashes(&few.learn), hashes(&many.learn));
        assert!(small.iter().all(|image| large.contains(image)));
        let held_out = many.validation.unwrap();
        assert_eq!(held_out.len(), 20);
        assert_eq!(hashes(&held_out), hashes(&few.validation.unwrap()));
        assert!(hashes(&held_out).iter().all(|image| !large.contains(image)));
        let other = set.draw(7, 20, Key::new(2)).unwrap();
        assert_ne!(small, hashes(&other.learn));
    }

    #[test]
    fn classes_that_are_too_small_are_named_with_their_numbers() {
        let set = set((0..30).map(|i| [0, 0, 1, 1, 2][i % 5]).collect());
        let error = set.draw(24, 3, Key::new(0)).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, Error::TooFew { asked: 8, labels: 24, .. }), "{message}");
        assert!(message.contains("class \"c\"") && message.contains("8 are needed"), "{message}");
        assert!(matches!(set.draw(2, 3, Key::new(0)), Err(Error::Setting(_))));
        assert!(matches!(set.draw(3, 30, Key::new(0)), Err(Error::Setting(_))));
    }

    #[test]
    fn labels_that_do_not_fit_are_refused() {
        let data = DataSet::portraits().unwrap().subset(&[0, 1, 2]).unwrap();
        let classes = vec!["a".to_string(), "b".to_string()];
        let error = Labelled::new(&data, vec![0, 1, 2], classes.clone()).unwrap_err();
        assert!(matches!(error, Error::NoSuchClass { image: 2, label: 2, classes: 2, .. }), "{error}");
        assert!(matches!(Labelled::new(&data, vec![0, 1], classes), Err(Error::Labels { .. })));
    }

    #[test]
    fn test_images_are_matched_by_the_names_of_their_classes() {
        let data = DataSet::portraits().unwrap();
        let own = Labelled::of(&data).unwrap();
        let reversed: Vec<String> = own.classes().iter().rev().cloned().collect();
        let matched = Labelled::among(&data, &reversed).unwrap();
        let name = |set: &Labelled, i: usize| set.classes()[set.labels()[i] as usize].clone();
        assert!((0..own.len()).all(|i| name(&own, i) == name(&matched, i)));
        let error = Labelled::among(&data, &reversed[1..]).unwrap_err();
        assert!(matches!(error, Error::UnknownClass { .. }), "{error}");
    }
}
